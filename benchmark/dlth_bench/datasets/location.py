"""Where the user keeps datasets that do not ship with the package."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "DLTH_BENCH_DATA"
"""Environment variable with the folder that holds one folder a dataset."""


def dataset_folder(name: str) -> Path | None:
    """The folder called ``name`` in the one that ``DLTH_BENCH_DATA`` names; None when there is none."""
    root = os.environ.get(DATA_VARIABLE)
    folder = Path(root) / name if root else None
    return folder if folder is not None and folder.is_dir() else None
