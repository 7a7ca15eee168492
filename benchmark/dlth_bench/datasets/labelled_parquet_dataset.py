"""What datasets of labelled samples in Parquet files share: where the files are, which rows a class has, their IDs."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlth_bench.datasets.base import ImageArrays
from dlth_bench.datasets.hub import HubFiles
from dlth_bench.datasets.labelled_parquet import Labels, Layout, class_rows, split_paths
from dlth_bench.datasets.location import dataset_folder
from dlth_bench.datasets.splits import Split
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.samples import SampleCatalog

if TYPE_CHECKING:
    import numpy.typing as npt

    from dlth_bench.datasets.token_sequences import TokenSequences

FILE_PREFIXES: dict[Split, str] = {"train": "train", "val": "test"}
"""How the names of a split's files begin; the Hub's ``test`` split is the validation split."""


class LabelledParquetDataset(ABC):
    """A dataset of one kind of sample; what samples are, and how they are read, is its subclass's.

    Args:
        folder: of the Parquet files; None: the one named like the dataset in ``DLTH_BENCH_DATA``, or else the Hub.
    """

    name: str
    title: str
    """As people write the name."""
    hub: HubFiles
    layout: Layout
    samples_are: str
    """``images`` or ``texts``."""
    row_digits: int
    """Of the row's number in a sample's ID."""

    def __init__(self, folder: Path | None = None) -> None:
        self._given_folder = folder

    @property
    @abstractmethod
    def catalog(self) -> ClassCatalog: ...

    @abstractmethod
    def _contents(self, split: Split) -> Iterable[bytes]:
        """What the samples of a split are, in the files' order, for the digest."""

    @abstractmethod
    def _read(self, split: Split, rows: Labels) -> npt.NDArray[np.uint8] | TokenSequences:
        """The samples of some rows of a split, int64 (samples,)."""

    @cached_property
    def folder(self) -> Path:
        """Where the files are; downloads them when they are nowhere else."""
        return self._given_folder or dataset_folder(self.name) or self.hub.folder()

    def split_files(self, split: Split) -> list[Path]:
        """The files of a split, sorted.

        Raises:
            InputError: there is none.
        """
        return split_paths(self.folder, FILE_PREFIXES[split], self.title)

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over class IDs and, split by split in the files' order, labels and samples.

        It does not depend on how the samples are compressed or spread over files.
        """
        digest = hashlib.sha256(" ".join(self.catalog.ids).encode())
        for split in FILE_PREFIXES:
            labels = self.labels(split)
            digest.update(len(labels).to_bytes(8, "little"))
            digest.update(labels.astype("<i8").tobytes())
            for content in self._contents(split):
                digest.update(content)
        return digest.hexdigest()

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The samples of the given classes, class by class in the given order; IDs like ``apple/00042``.

        The number is the sample's row in its split. ``images_per_class`` keeps the first so many of each class.

        Raises:
            InputError: a class is none of the catalog's or has no samples, ``images_per_class`` is not positive, or
                the files are missing or broken.
        """
        positions = [self.catalog.position(class_id) for class_id in class_ids]
        rows = class_rows(self.labels(split), positions, images_per_class)
        for class_id, found in zip(class_ids, rows, strict=True):
            if not len(found):
                problem = f"the {split} split has no {self.samples_are} of {class_id}"
                raise InputError(problem, source=self.folder)
        labels = np.repeat(np.arange(len(rows), dtype=np.int64), [len(found) for found in rows])
        return ImageArrays(self._read(split, np.concatenate(rows)), labels, self._sample_ids(positions, rows))

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training samples, class by class; see ``load``. Reads the labels and no sample.

        Raises:
            InputError: ``images_per_class`` is not positive, or the files are missing or broken.
        """
        positions = list(range(len(self.catalog)))
        rows = class_rows(self.labels("train"), positions, images_per_class)
        labels = array("i", (label for label, found in enumerate(rows) for _ in found))
        return SampleCatalog(self.name, self._sample_ids(positions, rows), labels, self.catalog.ids, images_per_class)

    def labels(self, split: Split) -> Labels:
        """The labels of a split in the files' order, int64 (samples,)."""
        return self._train_labels if split == "train" else self._val_labels

    @cached_property
    def _train_labels(self) -> Labels:
        return self.layout.read_labels(self.split_files("train"), self.catalog, self.title)

    @cached_property
    def _val_labels(self) -> Labels:
        return self.layout.read_labels(self.split_files("val"), self.catalog, self.title)

    def _sample_ids(self, positions: list[int], rows: list[Labels]) -> tuple[str, ...]:
        ids, digits = self.catalog.ids, self.row_digits
        return tuple(f"{ids[p]}/{row:0{digits}d}" for p, found in zip(positions, rows, strict=True) for row in found)
