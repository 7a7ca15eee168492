"""One search at a time in a folder that several runs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

POLL_SECONDS = 1.0
"""How often a run that waits for another's search looks whether what it needs is there."""


@contextmanager
def alone(folder: Path, found: Callable[[], bool], waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Enter when the folder holds what was searched for, or else when no other process searches in it.

    In the second case no other process does until the block ends. The system takes the lock from a process that dies,
    so that another one goes on with the search from its last checkpoint.

    Args:
        found: whether what is needed is in the folder.
        waiting: called now and then while another process searches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    while not found():
        try:
            lock.acquire(timeout=POLL_SECONDS)
        except Timeout:
            waiting()
            continue
        try:
            for leftover in folder.glob(".*.tmp"):  # of a process killed while it wrote
                leftover.unlink(missing_ok=True)
            yield
        finally:
            lock.release()
        return
    yield
