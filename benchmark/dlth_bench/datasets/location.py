"""Where the user keeps datasets that do not ship with the package, and what is derived from them.

Places come from the environment, so that worker processes on this machine and on others inherit them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable

DATA_VARIABLE = "DLTH_BENCH_DATA"
"""Environment variable with the folder that holds one folder a dataset."""

CACHE_VARIABLE = "DLTH_BENCH_CACHE"
"""Environment variable with the folder for what can be made again from the datasets."""


def dataset_folder(name: str) -> Path | None:
    """The dataset's folder: the one that `located` set, else the one called ``name`` in ``DLTH_BENCH_DATA``.

    None when neither is there.
    """
    own = os.environ.get(_own_variable(name))
    if own:
        return Path(own)
    root = os.environ.get(DATA_VARIABLE)
    folder = Path(root) / name if root else None
    return folder if folder is not None and folder.is_dir() else None


@contextmanager
def located(name: str, folder: Path | None) -> Iterator[None]:
    """Inside the block, and in processes started there, a dataset lies in ``folder``; None changes nothing.

    Raises:
        InputError: there is no such folder.
    """
    if folder is None:
        yield
        return
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "no such folder"
        raise InputError(problem, source=printable(str(folder)))
    variable = _own_variable(name)
    before = os.environ.get(variable)
    os.environ[variable] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def cache_folder() -> Path:
    """The folder for packed images: ``DLTH_BENCH_CACHE``, else ``dlth-bench`` in the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlth-bench"


def _own_variable(name: str) -> str:
    return f"{DATA_VARIABLE}_{name.upper()}"
