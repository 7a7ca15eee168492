"""Parquet files of CIFAR-100, as `datasets` writes them and as they are on the Hub, and the images of CIFAR-10's, too.

Columns: ``img``, a struct whose ``bytes`` are an encoded image; ``fine_label`` (of CIFAR-10 ``label``), whose names
stand in the file's metadata; ``coarse_label``, which is not needed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.hub import HubFiles
from dlth_bench.datasets.labelled_parquet import Layout
from dlth_bench.spec.errors import InputError

HUB = HubFiles(
    name="cifar100",
    repository="uoft-cs/cifar100",
    revision="aadb3af77e9048adbea6b47c21a81e47dd092ae5",  # the commit that made the dataset Parquet
    patterns=("*.parquet",),
    size_bytes=1.5e8,
)

SIDE = 32

LAYOUT = Layout(samples="img", labels="fine_label", like=HUB.repository)


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
