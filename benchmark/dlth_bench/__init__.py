"""dlth-bench: does a small subset of a dataset rank training recipes the way the whole dataset does?

The Python API of docs/api.md. A name is imported when it is first used, so that ``import dlth_bench`` loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlth_bench.bench import reference, run, score
    from dlth_bench.protocols.protocol import Protocol
    from dlth_bench.selection.select import select
    from dlth_bench.subsets.subset import Subset

__version__ = "0.1.0"
__all__ = ["__version__", "load_protocol", "load_subset", "reference", "run", "score", "select"]

_PLACES = {
    "reference": "dlth_bench.bench",
    "run": "dlth_bench.bench",
    "score": "dlth_bench.bench",
    "select": "dlth_bench.selection.select",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_protocol(name_or_path: str) -> Protocol:
    """A shipped protocol by its name or ``name@version``, or the one in a ``.yaml`` file.

    Raises:
        InputError: neither, or the file is no protocol; the message says what is wrong and where.
    """
    from dlth_bench.protocols.protocol_file import find_protocol

    return find_protocol(str(name_or_path))


def load_subset(name_or_path: str) -> Subset:
    """A shipped subset such as ``imagenet/erc-155``, or the one in a file; ``.ids`` are its class IDs.

    Raises:
        InputError: neither, or not a valid subset; the message says what is wrong and where.
    """
    from dlth_bench.subsets.find import find_subset

    return find_subset(str(name_or_path)).subset
