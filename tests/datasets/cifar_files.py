"""Parquet files with CIFAR-100's columns and metadata, as `datasets` writes them, of generated images."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from dlth_bench.datasets.cifar import cifar100_catalog

HUB_NAMES = ["cra" if name == "crab" else name for name in cifar100_catalog().ids]
"""The fine labels as the Hub's files have them, with their misspelt crab."""


def generated(split: str, per_class: int, classes: int = 100) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Images (samples, 32, 32, 3) with a colour a class and noise, and their labels, in shuffled order."""
    numbers = np.random.default_rng([len(split), per_class])
    labels = numbers.permutation(np.repeat(np.arange(classes), per_class))
    colours = np.random.default_rng(0).integers(40, 216, size=(classes, 1, 1, 3))
    noise = numbers.integers(-40, 40, size=(len(labels), 32, 32, 3))
    return (colours[labels] + noise).astype(np.uint8), labels.tolist()


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def write_file(path: Path, images: list[bytes], labels: list[int], names: list[str] | None = HUB_NAMES) -> None:
    """One Parquet file; ``names`` None leaves out the metadata of `datasets`."""
    import pyarrow as pa
    from pyarrow import parquet

    image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        "img": pa.array([{"bytes": image, "path": None} for image in images], type=image_type),
        "fine_label": pa.array(labels, type=pa.int64()),
        "coarse_label": pa.array([0] * len(labels), type=pa.int64()),
    }
    table = pa.table(columns)
    if names is not None:
        features = {"img": {"_type": "Image"}, "fine_label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def write_dataset(folder: Path, train: int = 4, test: int = 2, classes: int = 100) -> Path:
    """A folder like the Hub's repository, with so many images a class and split."""
    for split, per_class in (("train", train), ("test", test)):
        pixels, labels = generated(split, per_class, classes)
        path = folder / "cifar100" / f"{split}-00000-of-00001.parquet"
        write_file(path, [png(image) for image in pixels], labels)
    return folder
