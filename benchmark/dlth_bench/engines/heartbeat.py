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
from typing import Self

from pydantic import ValidationError

from dlth_bench.util.model import Frozen

HEARTBEAT_FILE = "heartbeat.json"

BEAT_SECONDS = 15.0
"""How often a heartbeat is written."""

FIRST_SECONDS = 1.0
"""When the first is written."""

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


class Pulse:
    """The heartbeats of a process: one thread writes those of all runs that it trains, so that beating costs no step.

    Args:
        every_seconds: how often a heartbeat is written.
        first_seconds: how old a run is at its first; one that is over before needs none.
    """

    def __init__(self, every_seconds: float = BEAT_SECONDS, first_seconds: float = FIRST_SECONDS) -> None:
        self._every, self._first = every_seconds, first_seconds
        self._beats: dict[Path, Beat] = {}
        self._due: dict[Path, float] = {}
        self._writing = threading.Lock()  # whoever holds it may change the two, or the files
        self._ended = threading.Event()
        self._writer: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._writer is not None:
            self._writer.join()

    @contextmanager
    def of(self, folder: Path, report: Report) -> Iterator[Report]:
        """Keep a run's heartbeat while the block runs; yields the report to give to training, which passes it on.

        The file goes when the block ends, in whatever way.
        """
        with self._writing:
            self._beats[folder] = Beat(host=socket.gethostname(), pid=os.getpid())
            self._due[folder] = time.monotonic() + self._first
        if self._writer is None:
            self._writer = threading.Thread(target=self._keep_writing, name="heartbeat", daemon=True)
            self._writer.start()

        def heard(stage: str, step: int, total: int) -> None:
            self._beats[folder] = self._beats[folder].model_copy(update={"stage": stage, "step": step, "total": total})
            report(stage, step, total)

        try:
            yield heard
        finally:
            with self._writing:
                del self._beats[folder], self._due[folder]
                (folder / HEARTBEAT_FILE).unlink(missing_ok=True)

    def _keep_writing(self) -> None:
        while not self._ended.wait(min(self._every, self._first)):
            with self._writing:
                now = time.monotonic()
                for folder in [folder for folder, due in self._due.items() if due <= now]:
                    self._due[folder] = now + self._every
                    with contextlib.suppress(OSError):  # a full disk: training itself will say so when it writes
                        _write(folder, self._beats[folder])


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
    """Seconds since the last heartbeat, below zero when the clock was set back since; None when there is none.

    Args:
        now: by the clock of the folder's file system, see `file_clock`.
    """
    try:
        return now - (folder / HEARTBEAT_FILE).stat().st_mtime
    except OSError:
        return None


def is_fresh(silent: float | None, stale_seconds: float = STALE_SECONDS) -> bool:
    """Whether a heartbeat of that age is a sign of life; one from the future is none: its clock was set back since."""
    return silent is not None and abs(silent) < stale_seconds


class Listener:
    """Whoever looks again and again: hears whether runs live by his own clock, which only goes forward.

    The file's clock is asked at the first look alone. From then on a heartbeat that changes is a sign of life and one
    that does not is silence, so that a clock that is set, here or on the file server, neither ends a run nor keeps a
    dead one alive.
    """

    def __init__(self, stale_seconds: float = STALE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale, self._clock = stale_seconds, clock
        self._heard: dict[Path, tuple[int, float]] = {}
        """A heartbeat as it was when it last changed, and when that was."""

    def hears(self, folder: Path, now: float) -> bool:
        """Whether somebody trains the run of a folder.

        Args:
            now: by `file_clock`.
        """
        try:
            found = (folder / HEARTBEAT_FILE).stat()
        except OSError:
            self._heard.pop(folder, None)
            return False
        known = self._heard.get(folder)
        if known is None:
            known = (found.st_mtime_ns, self._clock() - max(0.0, now - found.st_mtime))
        elif known[0] != found.st_mtime_ns:
            known = (found.st_mtime_ns, self._clock())
        self._heard[folder] = known
        return self._clock() - known[1] < self._stale


def file_clock(root: Path) -> float:
    """Seconds since 1970 by the clock that dates files under ``root``, which on a cluster is not this machine's."""
    probe = root / ".clock"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:  # a store that may only be read, or none yet
        return time.time()
