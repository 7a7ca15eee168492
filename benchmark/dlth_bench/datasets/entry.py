"""What is known of a dataset without reading it: an entry of the table ``DATASETS``.

A module that makes an entry imports neither numpy nor a library that reads files: an entry names its reader, which is
imported when samples are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlth_bench.datasets.catalog import ClassCatalog, SampleNames
from dlth_bench.datasets.download import HubFiles
from dlth_bench.util.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from dlth_bench.datasets.dataset import Dataset

    Reader = Callable[["DatasetEntry", Path | None], Dataset]


@dataclass(frozen=True)
class PublishedSize:
    """A dataset's numbers of samples.

    Attributes:
        train: training samples in all.
        train_of_class: fewest and most of one class.
        val_of_class: validation samples of each class.
    """

    train: int
    train_of_class: tuple[int, int]
    val_of_class: int


@dataclass(frozen=True)
class Columns:
    """The columns of a dataset's Parquet files: that of samples and that of labels."""

    samples: str
    labels: str


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """One dataset.

    Attributes:
        name: as users and protocols write it.
        title: as people write it.
        holds: what a sample is.
        catalog: gives its classes, without its samples.
        reader: ``package.module:name`` of what opens it, called with this entry and the folder of its files (None:
            from the Hub); see `Dataset`.
        hub: its files on the Hub; None: it comes with the package.
        published: its size as its publication says; None for one that comes with the package.
        sample_names: what its training samples may be called, for lists of samples that are checked where the dataset
            is not; None for one that comes with the package.
        columns: of its files, where its reader is that of Parquet files.
        packed: whether its images are large ones of different sizes, which are packed on disk before training.
    """

    name: str
    title: str
    holds: Literal["images", "texts"]
    catalog: Callable[[], ClassCatalog]
    reader: str
    hub: HubFiles | None = None
    published: PublishedSize | None = None
    sample_names: SampleNames | None = None
    columns: Columns | None = None
    packed: bool = False

    def hub_files(self) -> HubFiles:
        """Its files on the Hub.

        Raises:
            InputError: it comes with the package.
        """
        if self.hub is None:
            raise InputError(f"{self.name} comes with the package")
        return self.hub
