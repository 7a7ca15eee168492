"""CIFAR-100's Parquet files, as `datasets` writes them and as they are on the Hub: where they are and what they say.

Columns: ``img``, a struct whose ``bytes`` are an encoded image; ``fine_label``, whose names stand in the file's
metadata; ``coarse_label``, which is not needed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.location import DATA_VARIABLE
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

HUB_ID = "uoft-cs/cifar100"
REVISION = "aadb3af77e9048adbea6b47c21a81e47dd092ae5"
"""The commit that made the dataset Parquet, pinned so that it cannot change under a result."""

SIDE = 32


@dataclass(frozen=True)
class LabelledImages:
    """One split: uint8 images (samples, 3, 32, 32) and int64 labels (samples,), in the files' order."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def hub_folder() -> Path:
    """The files from the Hub, in its local cache.

    Raises:
        InputError: they cannot be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(HUB_ID, repo_type="dataset", revision=REVISION, allow_patterns="*.parquet"))
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = printable(str(error).strip().partition("\n")[0])
        raise InputError(
            f"cifar100 is not on this machine and {HUB_ID} cannot be had from the Hub ({reason}); put its Parquet "
            f"files into a folder cifar100 and set {DATA_VARIABLE} to the folder around that"
        ) from None


def read_split(folder: Path, split: str, catalog: ClassCatalog) -> LabelledImages:
    """All samples of a split, decoded.

    Args:
        split: ``train`` or ``test``, with which the files' names begin.
        catalog: the labels' meaning; where a file names its labels, the names must be these.

    Raises:
        InputError: no such file, no pyarrow, or a file that is broken or of another dataset; names file and row.
    """
    parts = [_images_of(path) for path in _paths(folder, split)]
    return LabelledImages(np.concatenate(parts), read_labels(folder, split, catalog))


def read_labels(folder: Path, split: str, catalog: ClassCatalog) -> npt.NDArray[np.int64]:
    """The labels of `read_split` without its images."""
    return np.concatenate([_labels_of(path, catalog) for path in _paths(folder, split)])


def _paths(folder: Path, split: str) -> list[Path]:
    paths = sorted(folder.rglob(f"{split}*.parquet"))
    if not paths:
        raise InputError(f"no {split}*.parquet here; CIFAR-100 is one such file a split", source=folder)
    return paths


def _images_of(path: Path) -> npt.NDArray[np.uint8]:
    with _opened(path) as file:
        column = file.read(columns=["img"]).column("img").to_pylist()
    images = [_decoded(image, path, row) for row, image in enumerate(column)]
    return np.stack(images) if images else np.empty((0, 3, SIDE, SIDE), np.uint8)


def _labels_of(path: Path, catalog: ClassCatalog) -> npt.NDArray[np.int64]:
    with _opened(path) as file:
        _check_label_names(path, file, catalog)
        labels = file.read(columns=["fine_label"]).column("fine_label").to_pylist()
    for row, label in enumerate(labels):
        if not isinstance(label, int) or not 0 <= label < len(catalog):
            problem = f"row {row}: the fine_label {quoted(str(label))} is not 0 to {len(catalog) - 1}"
            raise InputError(problem, source=path)
    return np.array(labels, dtype=np.int64)


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    """The file with the columns that are needed; what is wrong with it, in one line."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError("reading Parquet needs pyarrow: pip install 'dlth-bench[datasets]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            if not {"img", "fine_label"} <= set(file.schema_arrow.names):
                raise InputError("needs the columns img and fine_label, as in uoft-cs/cifar100", source=path)
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        reason = printable(str(error).strip().partition("\n")[0])
        raise InputError(f"not a readable Parquet file: {reason}", source=path) from None


def _check_label_names(path: Path, file: ParquetFile, catalog: ClassCatalog) -> None:
    """Refuse a file whose own label names, which `datasets` keeps in its metadata, are others or in another order."""
    metadata = (file.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(metadata)["info"]["features"]["fine_label"] if metadata else {}
        own = feature.get("names")
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # metadata of another writer says nothing
    if isinstance(own, list) and [catalog.index(str(name)) for name in own] != list(range(len(catalog))):
        stranger = next((str(name) for name in own if catalog.index(str(name)) is None), None)
        what = "in another order or number" if stranger is None else f"such as {quoted(stranger)}"
        raise InputError(f"its fine_label has other names than CIFAR-100's, {what}", source=path)


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
