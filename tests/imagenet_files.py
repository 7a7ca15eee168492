"""A few generated images in exactly the formats in which ImageNet comes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WNIDS = ("n01440764", "n01443537", "n01484850")
"""Tench, goldfish and great white shark: labels 0 to 2."""

SIZES = ((60, 45), (45, 60), (50, 50), (90, 48), (30, 24))
"""Width and height; the last is smaller than what the tests store."""


def picture(wnid: str, number: int) -> Image.Image:
    """RGB: stripes of a colour, direction and frequency that only the class decides, at a random phase, and noise."""
    generator = np.random.default_rng([int(wnid[1:]), number])
    width, height = SIZES[number % len(SIZES)]
    kind = WNIDS.index(wnid) if wnid in WNIDS else int(wnid[1:]) % 3
    along = np.mgrid[0:height, 0:width][kind % 2] * (0.3 + 0.5 * (kind == 2)) + generator.uniform(0, 6)
    colour = np.eye(3)[kind] * 0.6 + 0.3
    pixels = 127 + 100 * np.sin(along)[..., None] * colour + generator.normal(0, 12, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def stem(split: str, wnid: str, number: int) -> str:
    return f"{wnid}_{10026 + number}" if split == "train" else f"ILSVRC2012_val_{293 + number:08d}"


def write_image_folder(
    folder: Path,
    *,
    train: int = 8,
    val: int = 4,
    wnids: Sequence[str] = WNIDS,
    changed: Mapping[str, bytes] | None = None,
) -> Path:
    """``train/<wnid>/<wnid>_10026.JPEG``, ``val/<wnid>/ILSVRC2012_val_00000293.JPEG`` and so on.

    Args:
        train, val: images of each class.
        changed: other contents of some files, by path in the folder.
    """
    for split, count in (("train", train), ("val", val)):
        for wnid in wnids:
            place = folder / split / wnid
            place.mkdir(parents=True)
            for number in range(count):
                shown = number if split == "train" else 1000 + number
                (place / f"{stem(split, wnid, number)}.JPEG").write_bytes(jpeg(picture(wnid, shown)))
    for path, contents in (changed or {}).items():
        (folder / path).write_bytes(contents)
    return folder


def write_parquet(
    source: Path,
    folder: Path,
    *,
    files: int = 2,
    group: int = 5,
    classes: int = 1000,
    first: int = 0,
    image: str = "image",
) -> Path:
    """The images of an image folder as ``datasets`` writes them and the Hub has them: shuffled, in ``data``.

    Args:
        group: rows of a row group.
        classes: how many label names the files' metadata have.
        first: label of the first class; 0 is right.
        image: name of the images' column.
    """
    import pyarrow
    from pyarrow import parquet

    (folder / "data").mkdir(parents=True)
    names = [f"class {number}" for number in range(classes)]
    features = {image: {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    struct = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    schema = pyarrow.schema([(image, struct), ("label", pyarrow.int64())], metadata=metadata)
    for split, prefix in (("train", "train"), ("val", "validation")):
        paths = sorted((source / split).glob("*/*.JPEG"))
        np.random.default_rng(0).shuffle(paths)  # type: ignore[arg-type]
        for number in range(files):
            rows = [
                {
                    image: {"bytes": path.read_bytes(), "path": f"{path.stem}_{path.parent.name}.JPEG"},
                    "label": first + WNIDS.index(path.parent.name),
                }
                for path in paths[number::files]
            ]
            table = pyarrow.Table.from_pylist(rows, schema=schema)
            target = folder / "data" / f"{prefix}-{number:05d}-of-{files:05d}.parquet"
            parquet.write_table(table, target, row_group_size=group)
    return folder
