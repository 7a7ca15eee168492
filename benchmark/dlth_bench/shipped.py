"""Where the files that come with the package lie, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dlth_bench.spec.errors import InputError

ShippedKind = Literal["protocols", "subsets"]

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(kind: ShippedKind) -> Path:
    """The folder of the shipped protocols or subsets.

    The wheel carries them inside the package; in a checkout they lie at the repository's top level.

    Raises:
        InputError: this installation has neither.
    """
    checkout = _PACKAGE.parent.parent
    candidates = [_PACKAGE / "_shipped" / kind]
    if (checkout / "pyproject.toml").is_file():  # else it is some folder above site-packages
        candidates.append(checkout / kind)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise InputError(f"this installation carries no {kind}; reinstall dlth-bench or run it from a checkout")
