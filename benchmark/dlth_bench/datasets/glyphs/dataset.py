"""Glyphs, the embedded dataset: Unicode characters in free typefaces, with validation on unseen designs.

``glyphs.npz`` holds the rendered arrays, ``faces.csv`` and ``classes.csv`` say what they show, ``LICENSES.md``
names the fonts' licences. ``python -m build_glyphs.build`` renders them anew from Debian's packages.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, SampleCatalog, Split
from dlth_bench.datasets.dataset import ImageArrays
from dlth_bench.datasets.glyphs import archive
from dlth_bench.util.errors import InputError

_FOLDER = Path(__file__).parent


class Glyphs:
    """One class a Unicode character, one sample a typeface; the faces for validation are of unseen designs.

    Training samples of a class come in an order in which the first k faces are of as many designs as possible.
    Files are read when they are first needed, and kept.
    """

    name = "glyphs"
    image_size = 32
    channels = 1

    @cached_property
    def catalog(self) -> ClassCatalog:
        """The characters in order of code points, by ``U+0041``, by themselves (save ``#``) or by Unicode name."""
        rows = archive.read_table(_FOLDER / archive.CLASSES)
        return ClassCatalog("glyphs", "a code point such as U+0041", tuple(map(_class_info, rows)))

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over pixels, classes, faces and split, as recorded; ``computed_digest`` checks it."""
        return archive.read_digest(_FOLDER / archive.MANIFEST)

    def computed_digest(self) -> str:
        """The digest of the files as they are, from all pixels."""
        return archive.digest({"train": self._train, "val": self._val}, self.catalog.ids, self.face_ids)

    @cached_property
    def face_ids(self) -> dict[Split, tuple[str, ...]]:
        """The PostScript names of the faces of each split, in the order of the samples."""
        rows = archive.read_table(_FOLDER / archive.FACES)
        return {split: tuple(row["face"] for row in rows if row["split"] == split) for split in archive.SPLITS}

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The samples of the given classes, class by class in the given order; IDs like ``U+0041/DejaVuSans-Bold``.

        ``images_per_class`` keeps the first so many faces (None, or more than there are: all).

        Raises:
            InputError: a class is none of the catalog's, or ``images_per_class`` is not positive.
        """
        positions = [self.catalog.position(class_id) for class_id in class_ids]
        faces = self._faces(split, images_per_class)
        stored = self._train if split == "train" else self._val
        images = stored[positions, : len(faces)].reshape(-1, self.channels, self.image_size, self.image_size)
        labels = np.repeat(np.arange(len(positions), dtype=np.int64), len(faces))
        ids = self.catalog.ids
        return ImageArrays(images, labels, tuple(f"{ids[p]}/{face}" for p in positions for face in faces))

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training samples, class by class; see ``load``.

        Raises:
            InputError: ``images_per_class`` is not positive.
        """
        faces, ids = self._faces("train", images_per_class), self.catalog.ids
        sample_ids = tuple(f"{class_id}/{face}" for class_id in ids for face in faces)
        labels = array("i", (label for label in range(len(ids)) for _ in faces))
        return SampleCatalog(self.name, sample_ids, labels, ids, images_per_class)

    def _faces(self, split: Split, images_per_class: int | None) -> tuple[str, ...]:
        if images_per_class is not None and images_per_class < 1:
            raise InputError(f"images_per_class is {images_per_class}; it must be at least 1")
        return self.face_ids[split][:images_per_class]

    @cached_property
    def _train(self) -> npt.NDArray[np.uint8]:
        return archive.read_array(_FOLDER / archive.ARRAYS, "train")

    @cached_property
    def _val(self) -> npt.NDArray[np.uint8]:
        return archive.read_array(_FOLDER / archive.ARRAYS, "val")


def _class_info(row: dict[str, str]) -> ClassInfo:
    character = chr(int(row["code_point"].removeprefix("U+"), 16))
    spellings = (row["name"],) if character == "#" else (character, row["name"])  # # starts a comment in subset files
    return ClassInfo(row["code_point"], row["name"], spellings, (row["script"], row["category"], row["letter"]))
