"""Glyphs, the embedded dataset: Unicode characters in free typefaces, with validation on unseen designs.

``glyphs.npz`` holds the rendered arrays, ``faces.csv`` and ``classes.csv`` say what they show, ``LICENSES.md``
names the fonts' licences. ``python -m build_glyphs.build`` renders them anew from Debian's packages.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import ClassCatalog, SampleCatalog, Split, read_table
from dlth_bench.datasets.dataset import ImageArrays, kept
from dlth_bench.datasets.entry import DatasetEntry
from dlth_bench.datasets.glyphs.classes import FOLDER, glyphs_catalog
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import canonical_json

SPLITS: tuple[Split, ...] = ("train", "val")

ARRAYS, FACES, MANIFEST = "glyphs.npz", "faces.csv", "manifest.json"


class Glyphs:
    """One class a Unicode character, one sample a typeface; the faces for validation are of unseen designs.

    Training samples of a class come in an order in which the first k faces are of as many designs as possible.
    Files are read when they are first needed, and kept.
    """

    name = "glyphs"
    image_size = 32
    channels = 1

    @property
    def catalog(self) -> ClassCatalog:
        return glyphs_catalog()

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over pixels, classes, faces and split, as recorded; ``computed_digest`` checks it."""
        return read_digest(FOLDER / MANIFEST)

    def computed_digest(self) -> str:
        """The digest of the files as they are, from all pixels."""
        return digest({split: self._stored(split) for split in SPLITS}, self.catalog.ids, self.face_ids)

    @cached_property
    def face_ids(self) -> dict[Split, tuple[str, ...]]:
        """The PostScript names of the faces of each split, in the order of the samples."""
        rows = read_table(FOLDER / FACES)
        return {split: tuple(row["face"] for row in rows if row["split"] == split) for split in SPLITS}

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The samples of the given classes, class by class in the given order; IDs like ``U+0041/DejaVuSans-Bold``.

        ``images_per_class`` keeps the first so many faces (None, or more than there are: all).

        Raises:
            InputError: a class is none of the catalog's, or ``images_per_class`` is not positive.
        """
        positions = [self.catalog.position(class_id) for class_id in class_ids]
        faces = self._faces(split, images_per_class)
        stored = self._stored(split)[positions, : len(faces)]
        images = stored.reshape(-1, self.channels, self.image_size, self.image_size)
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

    @kept
    def _stored(self, split: Split) -> npt.NDArray[np.uint8]:
        return read_array(FOLDER / ARRAYS, split)


def read_glyphs(entry: DatasetEntry, folder: Path | None) -> Glyphs:
    """The dataset; its files are those of the package, wherever other datasets lie."""
    return Glyphs()


def digest(
    arrays: Mapping[Split, npt.NDArray[np.uint8]],
    class_ids: Sequence[str],
    face_ids: Mapping[Split, Sequence[str]],
) -> str:
    """SHA-256 (hex) over the pixels and what they show, whatever their compression.

    arrays: uint8 (classes, faces of the split, height, width) of each split.
    """
    header = {
        "classes": list(class_ids),
        "faces": {split: list(face_ids[split]) for split in SPLITS},
        "shapes": {split: list(arrays[split].shape) for split in SPLITS},
    }
    state = hashlib.sha256(canonical_json(header).encode("ascii"))
    for split in SPLITS:
        state.update(np.ascontiguousarray(arrays[split]).data)
    return state.hexdigest()


def read_array(path: Path, split: Split) -> npt.NDArray[np.uint8]:
    """The images of one split: uint8 (classes, faces, height, width)."""
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[split], dtype=np.uint8)


def read_digest(path: Path) -> str:
    """The digest that the manifest records."""
    return str(json.loads(path.read_text(encoding="utf-8"))["digest"])
