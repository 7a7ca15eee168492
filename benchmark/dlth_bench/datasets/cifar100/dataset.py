"""The images of CIFAR-100, from Parquet files as on the Hugging Face Hub, and what CIFAR-10's have in common."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from dlth_bench.datasets.base import ImageArrays, Split
from dlth_bench.datasets.cifar100.catalog import cifar100_catalog
from dlth_bench.datasets.cifar100.files import CIFARFiles, LabelledImages, read_labels, read_split
from dlth_bench.datasets.labelled_parquet import Labels, class_rows, hub_folder
from dlth_bench.datasets.location import dataset_folder
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.samples import SampleCatalog


class CIFAR(ABC):
    """One of the two datasets; the Hub's ``test`` split is the validation split.

    A split is decoded when it is first needed, in seconds, and kept: 154 MB for training, 31 MB for validation.

    Args:
        folder: of the Parquet files; None: the one called as the dataset in ``DLTH_BENCH_DATA`` or else the Hub.
    """

    name: str
    files: CIFARFiles
    image_size = 32
    channels = 3

    def __init__(self, folder: Path | None = None) -> None:
        self._given_folder = folder

    @cached_property
    def folder(self) -> Path:
        """Where the files are; downloads them when they are nowhere else."""
        files = self.files
        return self._given_folder or dataset_folder(self.name) or hub_folder(self.name, files.hub_id, files.revision)

    @property
    @abstractmethod
    def catalog(self) -> ClassCatalog: ...

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over class IDs and, split by split in the files' order, labels and decoded pixels.

        It does not depend on how the images are compressed or spread over files.
        """
        digest = hashlib.sha256(" ".join(self.catalog.ids).encode())
        for split in (self._train, self._val):
            digest.update(len(split.labels).to_bytes(8, "little"))
            digest.update(split.labels.astype("<i8").tobytes())
            digest.update(split.images.tobytes())
        return digest.hexdigest()

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The samples of the given classes, class by class in the given order; IDs like ``apple/00042``.

        The number is the sample's row in its split. ``images_per_class`` keeps the first so many of each class.

        Raises:
            InputError: a class is none of the catalog's or has no images, ``images_per_class`` is not positive, or the
                files are missing or broken.
        """
        stored = self._train if split == "train" else self._val
        positions = [self.catalog.position(class_id) for class_id in class_ids]
        rows = class_rows(stored.labels, positions, images_per_class)
        for class_id, found in zip(class_ids, rows, strict=True):
            if not len(found):
                raise InputError(f"the {split} split has no images of {class_id}", source=self.folder)
        labels = np.repeat(np.arange(len(rows), dtype=np.int64), [len(found) for found in rows])
        return ImageArrays(stored.images[np.concatenate(rows)], labels, self._sample_ids(positions, rows))

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training samples, class by class; see ``load``. Reads the labels and no image.

        Raises:
            InputError: ``images_per_class`` is not positive, or the files are missing or broken.
        """
        positions = list(range(len(self.catalog)))
        rows = class_rows(read_labels(self.folder, "train", self.catalog, self.files), positions, images_per_class)
        labels = array("i", (label for label, found in enumerate(rows) for _ in found))
        return SampleCatalog(self.name, self._sample_ids(positions, rows), labels, self.catalog.ids, images_per_class)

    def _sample_ids(self, positions: list[int], rows: list[Labels]) -> tuple[str, ...]:
        ids = self.catalog.ids
        return tuple(f"{ids[p]}/{row:05d}" for p, found in zip(positions, rows, strict=True) for row in found)

    @cached_property
    def _train(self) -> LabelledImages:
        return read_split(self.folder, "train", self.catalog, self.files)

    @cached_property
    def _val(self) -> LabelledImages:
        return read_split(self.folder, "test", self.catalog, self.files)


class CIFAR100(CIFAR):
    """CIFAR-100 with its fine labels."""

    name = "cifar100"
    files = CIFARFiles("CIFAR-100", "uoft-cs/cifar100", "aadb3af77e9048adbea6b47c21a81e47dd092ae5", "fine_label")

    @property
    def catalog(self) -> ClassCatalog:
        return cifar100_catalog()


@cache
def cifar100() -> CIFAR100:
    """One instance a process, so that its files are decoded once."""
    return CIFAR100()
