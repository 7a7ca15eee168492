"""Parquet files of CIFAR-100, as `datasets` writes them and as they are on the Hub, and the images of CIFAR-10's, too.

Columns: ``img``, a struct whose ``bytes`` are an encoded image; ``fine_label`` (of CIFAR-10 ``label``), whose names
stand in the file's metadata; ``coarse_label``, which is not needed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import ClassCatalog, Split
from dlth_bench.datasets.download import HubFiles
from dlth_bench.datasets.label_catalogs import cifar10_catalog, cifar100_catalog
from dlth_bench.datasets.parquet import LabelledParquetDataset, Labels, Layout
from dlth_bench.util.errors import InputError

CIFAR10_HUB = HubFiles(
    name="cifar10",
    repository="uoft-cs/cifar10",
    revision="0b2714987fa478483af9968de7c934580d0bb9a2",  # the commit that made the dataset Parquet
    patterns=("*.parquet",),
    size_bytes=1.4e8,
)

CIFAR10_LAYOUT = Layout(samples="img", labels="label", like=CIFAR10_HUB.repository)


CIFAR100_HUB = HubFiles(
    name="cifar100",
    repository="uoft-cs/cifar100",
    revision="aadb3af77e9048adbea6b47c21a81e47dd092ae5",  # the commit that made the dataset Parquet
    patterns=("*.parquet",),
    size_bytes=1.5e8,
)

SIDE = 32

CIFAR100_LAYOUT = Layout(samples="img", labels="fine_label", like=CIFAR100_HUB.repository)


def read_images(paths: Sequence[Path], layout: Layout) -> npt.NDArray[np.uint8]:
    """All images of these files, uint8 (samples, 3, 32, 32) in the files' order.

    Raises:
        InputError: no pyarrow, or a file that is broken or of another dataset; names file and row.
    """
    return np.concatenate([_images_of(path, layout) for path in paths])


def _images_of(path: Path, layout: Layout) -> npt.NDArray[np.uint8]:
    with layout.opened(path) as file:
        column = file.read(columns=[layout.samples]).column(layout.samples).to_pylist()
    images = [_decoded(image, path, row) for row, image in enumerate(column)]
    return np.stack(images) if images else np.empty((0, 3, SIDE, SIDE), np.uint8)


def _decoded(image: Any, path: Path, row: int) -> npt.NDArray[np.uint8]:
    """uint8 (3, 32, 32) of a struct with the encoded bytes."""
    from PIL import Image

    encoded = image.get("bytes") if isinstance(image, dict) else None
    if not isinstance(encoded, bytes):
        raise InputError(f"row {row}: the image is not stored in the file", source=path)
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"row {row}: the image cannot be decoded", source=path) from None
    if pixels.shape != (SIDE, SIDE, 3):
        size = "x".join(map(str, pixels.shape[:2]))
        raise InputError(f"row {row}: the image is {size}, not {SIDE}x{SIDE}", source=path)
    return pixels.transpose(2, 0, 1)


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
    hub = CIFAR100_HUB
    layout = CIFAR100_LAYOUT

    @property
    def catalog(self) -> ClassCatalog:
        return cifar100_catalog()


@cache
def cifar100() -> CIFAR100:
    """One instance a process, so that its files are decoded once."""
    return CIFAR100()


class CIFAR10(CIFAR):
    """CIFAR-10; IDs of samples are like ``airplane/00042``."""

    name = "cifar10"
    title = "CIFAR-10"
    hub = CIFAR10_HUB
    layout = CIFAR10_LAYOUT

    @property
    def catalog(self) -> ClassCatalog:
        return cifar10_catalog()


@cache
def cifar10() -> CIFAR10:
    """One instance a process, so that its files are decoded once."""
    return CIFAR10()
