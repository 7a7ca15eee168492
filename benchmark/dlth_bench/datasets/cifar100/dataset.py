"""The images of CIFAR-100, from Parquet files as on the Hugging Face Hub, and what CIFAR-10's have in common."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.cifar100.catalog import cifar100_catalog
from dlth_bench.datasets.cifar100.files import HUB, LAYOUT, SIDE, read_images
from dlth_bench.datasets.labelled_parquet import Labels
from dlth_bench.datasets.labelled_parquet_dataset import LabelledParquetDataset
from dlth_bench.datasets.splits import Split
from dlth_bench.spec.classes import ClassCatalog


class CIFAR(LabelledParquetDataset):
    """One of the two datasets; IDs like ``apple/00042``.

    A split is decoded when it is first needed, in seconds, and kept: 154 MB for training, 31 MB for validation.
    """

    samples_are = "images"
    row_digits = 5
    image_size = SIDE
    channels = 3

    def _contents(self, split: Split) -> Iterator[bytes]:
        yield self._images(split).tobytes()

    def _read(self, split: Split, rows: Labels) -> npt.NDArray[np.uint8]:
        return self._images(split)[rows]

    def _images(self, split: Split) -> npt.NDArray[np.uint8]:
        return self._train if split == "train" else self._val

    @cached_property
    def _train(self) -> npt.NDArray[np.uint8]:
        return read_images(self.split_files("train"), self.layout)

    @cached_property
    def _val(self) -> npt.NDArray[np.uint8]:
        return read_images(self.split_files("val"), self.layout)


class CIFAR100(CIFAR):
    """CIFAR-100 with its fine labels."""

    name = "cifar100"
    title = "CIFAR-100"
    hub = HUB
    layout = LAYOUT

    @property
    def catalog(self) -> ClassCatalog:
        return cifar100_catalog()


@cache
def cifar100() -> CIFAR100:
    """One instance a process, so that its files are decoded once."""
    return CIFAR100()
