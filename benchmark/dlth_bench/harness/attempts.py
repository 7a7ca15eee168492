"""The attempts at a run, one line each in its folder, and when there have been enough.

A run that is stopped by a time limit or a lost node goes on from its last checkpoint as often as needed. One that
kills its process would do so for ever; it is known by attempts in a row that all began from the same checkpoint.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
from pathlib import Path

from pydantic import ValidationError

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.stored_run import CRITICAL_FILE, ENCODER_FILE, SEARCH_FILE

ATTEMPTS_FILE = "attempts.jsonl"

ATTEMPTS = 3
"""How many attempts of one batch may begin from the same checkpoint and leave neither a newer one nor a result."""


class Attempt(Frozen):
    """One process that set out to train a run."""

    at: str
    host: str
    pid: int
    batch: str = ""
    checkpoint: str = ""
    """Names and times of the checkpoints that it found; empty: none."""


def record_attempt(folder: Path, batch: str = "") -> int:
    """Note that this process begins; returns how many attempts of the batch in a row began where it does, itself too.

    To be called by the holder of the run's lock.
    """
    attempt = Attempt(
        at=datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds"),
        host=socket.gethostname(),
        pid=os.getpid(),
        batch=batch,
        checkpoint=checkpoints(folder),
    )
    with (folder / ATTEMPTS_FILE).open("a+b") as file:
        file.seek(0)
        before = file.read()
        cut_off = b"\n" if before and not before.endswith(b"\n") else b""
        file.write(cut_off + attempt.model_dump_json(exclude_defaults=True).encode() + b"\n")
    alike = 1
    for earlier in reversed(_parsed(before)):
        if (earlier.batch, earlier.checkpoint) != (attempt.batch, attempt.checkpoint):
            break
        alike += 1
    return alike


def read_attempts(folder: Path) -> list[Attempt]:
    """All attempts at the run in a folder, oldest first; a line that a kill cut off is passed over."""
    try:
        return _parsed((folder / ATTEMPTS_FILE).read_bytes())
    except FileNotFoundError:
        return []


def _parsed(lines: bytes) -> list[Attempt]:
    found = []
    for line in lines.splitlines():
        try:
            found.append(Attempt.model_validate_json(line))
        except ValidationError:
            continue
    return found


def checkpoints(folder: Path) -> str:
    """Names and times of the checkpoints of a run, its search included; empty when there is none.

    All of them, not the newest alone: which one that is nobody knows once a clock was set back.
    """
    # Every attempt writes these files anew, so that they say nothing.
    found = [each for each in _dated(folder) if each[0] not in {ENCODER_FILE, CRITICAL_FILE}]
    with contextlib.suppress(FileNotFoundError):  # most runs search for nothing
        for search in (folder / SEARCH_FILE).read_text().splitlines():
            found += _dated(folder / search)
    return ", ".join(f"{name}@{time_ns}" for name, time_ns in sorted(found))


def _dated(folder: Path) -> list[tuple[str, int]]:
    """Names and times of the tensor files in a folder, those aside that vanish meanwhile; none where it is missing."""
    found: list[tuple[str, int]] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".safetensors"):
                with contextlib.suppress(FileNotFoundError):  # another process may search there
                    found.append((entry.name, entry.stat().st_mtime_ns))
    return found
