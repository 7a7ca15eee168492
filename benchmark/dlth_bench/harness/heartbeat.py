"""Signs of life: a small file in a run's folder that is rewritten while a process trains the run.

The lock tells processes of one machine, and of all machines where the file system locks across them, that a run is
taken. The heartbeat tells everybody else, with how far the run is; a run whose heartbeat is stale and whose lock is
free is not running, whatever a scheduler believes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from dlth_bench.spec.frozen import Frozen

HEARTBEAT_FILE = "heartbeat.json"

BEAT_SECONDS = 15.0
"""How often a heartbeat is written."""

STALE_SECONDS = 120.0
"""Silence after which nobody trains a run; NFS alone may hide a change from other machines for a minute."""

Report = Callable[[str, int, int], None]
"""Hears (stage, step, of steps)."""


class Beat(Frozen):
    """What a heartbeat says: who trains, and how far it was when it was written."""

    host: str
    pid: int
    stage: str = ""
    step: int = 0
    total: int = 0


@contextmanager
def beating(folder: Path, report: Report, *, every_seconds: float = BEAT_SECONDS) -> Iterator[Report]:
    """Keep a run's heartbeat while the block runs; yields the report to give to training, which passes it on.

    Writing costs training nothing: a thread does it. The file goes when the block ends, in whatever way.
    """
    latest, ended = [Beat(host=socket.gethostname(), pid=os.getpid())], threading.Event()

    def heard(stage: str, step: int, total: int) -> None:
        latest[0] = latest[0].model_copy(update={"stage": stage, "step": step, "total": total})
        report(stage, step, total)

    def keep_writing() -> None:
        while not ended.wait(every_seconds):
            with contextlib.suppress(OSError):  # a full disk: training itself will say so when it writes
                _write(folder, latest[0])

    _write(folder, latest[0])
    writer = threading.Thread(target=keep_writing, name="heartbeat", daemon=True)
    writer.start()
    try:
        yield heard
    finally:
        ended.set()
        writer.join()
        (folder / HEARTBEAT_FILE).unlink(missing_ok=True)


def _write(folder: Path, beat: Beat) -> None:
    """Replace the file in one step; not synced, for a heartbeat lost in a power cut is the truth."""
    temporary = folder / f".{HEARTBEAT_FILE}.tmp"
    temporary.write_text(beat.model_dump_json())
    temporary.replace(folder / HEARTBEAT_FILE)


def read_beat(folder: Path) -> Beat | None:
    """The last heartbeat in a run's folder, stale or not; None when there is none."""
    try:
        return Beat.model_validate_json((folder / HEARTBEAT_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def silent_seconds(folder: Path, now: float) -> float | None:
    """Seconds since the last heartbeat; None when there is none.

    Args:
        now: by the clock of the folder's file system, see `file_clock`.
    """
    try:
        return now - (folder / HEARTBEAT_FILE).stat().st_mtime
    except OSError:
        return None


def file_clock(root: Path) -> float:
    """Seconds since 1970 by the clock that dates files under ``root``, which on a cluster is not this machine's."""
    probe = root / ".clock"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:  # a store that may only be read, or none yet
        return time.time()
