"""Freed memory kept for the next step, instead of handed back to the system and asked for again."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

KEPT_BYTES = 1 << 30
"""Freed memory at the top of the heap that a process keeps."""

MAPPED_BYTES = 1 << 28
"""Blocks from this size on come from the system, and go back to it when they are freed."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's <malloc.h>


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees; returns whether that is possible, which takes glibc.

    torch takes memory for every tensor from the C library, which by default maps blocks of some hundred kilobytes and
    trims its heap: each step then begins with a thousand page faults, and the system clears each page. Results do not
    depend on it. Peak memory stays, but is held until `release_freed_memory`.
    """
    mallopt = _of_glibc("mallopt")
    return bool(mallopt and mallopt(_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, MAPPED_BYTES))


def release_freed_memory() -> None:
    """Hand what is kept back to the system, as between two runs; does nothing without glibc."""
    trim = _of_glibc("malloc_trim")
    if trim:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another C library, such as musl
        return None
    return found
