"""The frozen files of Glyphs, as they are written; ``dlth_bench.datasets.glyphs`` reads them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import Split
from dlth_bench.datasets.glyphs.dataset import SPLITS

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


def write_arrays(path: Path, arrays: Mapping[Split, npt.NDArray[np.uint8]]) -> None:
    """A compressed npz with one array a split; equal arrays give equal bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for split in SPLITS:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[split]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{split}.npy", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue(), compresslevel=9)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A CSV file with a header line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_manifest(path: Path, manifest: Mapping[str, object]) -> None:
    """A small JSON file for people and programs."""
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
