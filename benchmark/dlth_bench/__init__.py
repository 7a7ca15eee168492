"""dlth-bench: does a small subset of a dataset rank training recipes the way the whole dataset does?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlth_bench.subsets.subset import Subset


__version__ = "0.1.0"
__all__ = ["__version__", "load_subset"]


def load_subset(name_or_path: str) -> Subset:
    """A shipped subset such as ``imagenet/erc-155``, or the one in a file; ``.ids`` are its class IDs.

    Raises:
        InputError: neither, or not a valid subset; the message says what is wrong and where.
    """
    from dlth_bench.subsets.find import find_subset

    return find_subset(name_or_path).subset
