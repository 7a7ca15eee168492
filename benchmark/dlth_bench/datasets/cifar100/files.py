"""CIFAR-100's Parquet files, as `datasets` writes them and as they are on the Hub: where they are and what they say.

Columns: ``img``, a struct whose ``bytes`` are an encoded image; ``fine_label``, whose names stand in the file's
metadata; ``coarse_label``, which is not needed.
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

HUB_ID = "uoft-cs/cifar100"
REVISION = "aadb3af77e9048adbea6b47c21a81e47dd092ae5"
"""The commit that made the dataset Parquet, pinned so that it cannot change under a result."""

SIDE = 32

_TITLE = "CIFAR-100"
_LAYOUT = Layout(samples="img", labels="fine_label", like=HUB_ID)


@dataclass(frozen=True)
class LabelledImages:
    """One split: uint8 images (samples, 3, 32, 32) and int64 labels (samples,), in the files' order."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def read_split(folder: Path, split: str, catalog: ClassCatalog) -> LabelledImages:
    """All samples of a split, decoded.

    Args:
        split: ``train`` or ``test``, with which the files' names begin.
        catalog: the labels' meaning; where a file names its labels, the names must be these.

    Raises:
        InputError: no such file, no pyarrow, or a file that is broken or of another dataset; names file and row.
    """
    parts = [_images_of(path) for path in split_paths(folder, split, _TITLE)]
    return LabelledImages(np.concatenate(parts), read_labels(folder, split, catalog))


def read_labels(folder: Path, split: str, catalog: ClassCatalog) -> npt.NDArray[np.int64]:
    """The labels of `read_split` without its images."""
    return _LAYOUT.read_labels(split_paths(folder, split, _TITLE), catalog, _TITLE)


def _images_of(path: Path) -> npt.NDArray[np.uint8]:
    with _LAYOUT.opened(path) as file:
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
