"""Parquet files of CIFAR-100 and CIFAR-10, as `datasets` writes them and as they are on the Hub.

Columns: ``img``, a struct whose ``bytes`` are an encoded image; ``fine_label`` (of CIFAR-10 ``label``), whose names
stand in the file's metadata; ``coarse_label``, which is not needed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.labelled_parquet import Layout, split_paths
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError

SIDE = 32


@dataclass(frozen=True)
class CIFARFiles:
    """Where one of the two datasets is on the Hub, and how its files are laid out.

    Attributes:
        title: the dataset's name as people write it.
        revision: a commit, pinned so that the dataset cannot change under a result.
        labels: name of the column of labels.
    """

    title: str
    hub_id: str
    revision: str
    labels: str

    @property
    def layout(self) -> Layout:
        return Layout(samples="img", labels=self.labels, like=self.hub_id)


@dataclass(frozen=True)
class LabelledImages:
    """One split: uint8 images (samples, 3, 32, 32) and int64 labels (samples,), in the files' order."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def read_split(folder: Path, split: str, catalog: ClassCatalog, files: CIFARFiles) -> LabelledImages:
    """All samples of a split, decoded.

    Args:
        split: ``train`` or ``test``, with which the files' names begin.
        catalog: the labels' meaning; where a file names its labels, the names must be these.

    Raises:
        InputError: no such file, no pyarrow, or a file that is broken or of another dataset; names file and row.
    """
    parts = [_images_of(path, files.layout) for path in split_paths(folder, split, files.title)]
    return LabelledImages(np.concatenate(parts), read_labels(folder, split, catalog, files))


def read_labels(folder: Path, split: str, catalog: ClassCatalog, files: CIFARFiles) -> npt.NDArray[np.int64]:
    """The labels of `read_split` without its images."""
    return files.layout.read_labels(split_paths(folder, split, files.title), catalog, files.title)


def _images_of(path: Path, layout: Layout) -> npt.NDArray[np.uint8]:
    with layout.opened(path) as file:
        column = file.read(columns=["img"]).column("img").to_pylist()
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
