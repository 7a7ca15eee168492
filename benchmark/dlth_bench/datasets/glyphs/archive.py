"""The frozen files of Glyphs: arrays, tables and the digest over them. Needs numpy only."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import Split
from dlth_bench.util.model import canonical_json

SPLITS: tuple[Split, ...] = ("train", "val")

ARRAYS, FACES, CLASSES, MANIFEST = "glyphs.npz", "faces.csv", "classes.csv", "manifest.json"

CLASS_COLUMNS = ("code_point", "name", "script", "category", "letter")
FACE_COLUMNS = (
    "face",
    "family",
    "style",
    "style_class",
    "design",
    "split",
    "package",
    "package_version",
    "file",
    "licence",
)

_EPOCH = (1980, 1, 1, 0, 0, 0)  # The earliest time a zip can hold: equal arrays give equal files.


def digest(
    arrays: Mapping[Split, npt.NDArray[np.uint8]],
    class_ids: Sequence[str],
    face_ids: Mapping[Split, Sequence[str]],
) -> str:
    """SHA-256 (hex) over the pixels and what they show, whatever their compression.

    arrays: uint8 (classes, faces of the split, height, width) of each split.
    """
    header = {
        "classes": list(class_ids),
        "faces": {split: list(face_ids[split]) for split in SPLITS},
        "shapes": {split: list(arrays[split].shape) for split in SPLITS},
    }
    state = hashlib.sha256(canonical_json(header).encode("ascii"))
    for split in SPLITS:
        state.update(np.ascontiguousarray(arrays[split]).data)
    return state.hexdigest()


def write_arrays(path: Path, arrays: Mapping[Split, npt.NDArray[np.uint8]]) -> None:
    """A compressed npz with one array a split; equal arrays give equal bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for split in SPLITS:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[split]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{split}.npy", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue(), compresslevel=9)


def read_array(path: Path, split: Split) -> npt.NDArray[np.uint8]:
    """The images of one split: uint8 (classes, faces, height, width)."""
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[split], dtype=np.uint8)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A CSV file with a header line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column name."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_manifest(path: Path, manifest: Mapping[str, object]) -> None:
    """A small JSON file for people and programs."""
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_digest(path: Path) -> str:
    """The digest that the manifest records."""
    return str(json.loads(path.read_text(encoding="utf-8"))["digest"])
