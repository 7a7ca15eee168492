"""One attempt at a run, in whatever process an engine chose: claim, train, store; and pretraining that runs share."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import socket
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Required, TypedDict, Unpack

from filelock import FileLock, Timeout
from pydantic import ValidationError

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.engines.followers import call_followers
from dlth_bench.engines.heartbeat import Pulse, Report
from dlth_bench.runs.run import Result, Run, Tuning
from dlth_bench.runs.store import CRITICAL_FILE, ENCODER_FILE, PRETRAINED_FILE, SEARCH_FILE, Busy, Store
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.model import Frozen

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
    """All attempts at the run in a folder, oldest first; a line that a kill cut off is skipped."""
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


FOLDER = "pretrained"
MEMBERS_FILE = "runs.json"


def invite(runs: Iterable[Run], store: Store) -> None:
    """Have the runs among these that begin with the same pretraining share it, in whatever process they are trained."""
    groups: dict[str, set[str]] = {}
    for run in runs:
        if run.pretraining_digest is not None:
            groups.setdefault(run.pretraining_digest, set()).add(run.digest)
    for pretraining, members in groups.items():
        if len(members) > 1:
            folder = store.root / FOLDER / pretraining
            folder.mkdir(parents=True, exist_ok=True)
            listed = sorted(members | _members(folder))
            write_atomically(folder / MEMBERS_FILE, (json.dumps(listed) + "\n").encode())


@contextmanager
def pretraining_folder(run: Run, store: Store) -> Iterator[Path | None]:
    """Where the run's pretraining is to be found or trained; None when it is not shared or another process is at it."""
    folder = _invited_to(run, store)
    if folder is None or (folder / PRETRAINED_FILE).exists():
        yield folder
        return
    lock = FileLock(folder / "lock", timeout=0.0)
    try:
        lock.acquire()
    except Timeout:
        yield None
        return
    try:
        yield folder
    finally:
        lock.release()


def leave(run: Run, store: Store) -> None:
    """Clear the shared pretraining of a run that has its result when the others have theirs, too."""
    folder = _invited_to(run, store)
    try:
        over = folder is not None and all(store.settled(digest) is not None for digest in _members(folder))
    except InputError:  # the damaged result of another run is not this one's business
        return
    if folder is not None and over:
        shutil.rmtree(folder, ignore_errors=True)  # another process may be at it


def _invited_to(run: Run, store: Store) -> Path | None:
    if run.pretraining_digest is None:
        return None
    folder = store.root / FOLDER / run.pretraining_digest
    return folder if run.digest in _members(folder) else None


def _members(folder: Path) -> set[str]:
    try:
        return {str(digest) for digest in json.loads((folder / MEMBERS_FILE).read_bytes())}
    except (FileNotFoundError, ValueError):
        return set()


class AttemptOptions(TypedDict, total=False):
    """What an engine says of all its attempts.

    batch: for whom; a batch's attempts at a run are bounded, see `ATTEMPTS`.
    tuning: how steps are computed; with several devices, the other processes are called.
    """

    device: Required[str]
    keep_weights: Required[bool]
    checkpoint_seconds: float
    batch: str
    tuning: Tuning


def attempt(
    run: Run,
    store: Store,
    *,
    wait_seconds: float,
    report: Report,
    pulse: Pulse | None = None,
    **options: Unpack[AttemptOptions],
) -> Result:
    """The run's result: the stored one, or that of training now from the run's last checkpoint.

    An error of training is a result too, with status ``failed``; its traceback is in the run's ``error.log``.

    Args:
        pulse: of the process; None: one for this attempt alone.

    Raises:
        Busy: another process trains the run.
    """
    digest, batch = run.digest, options.get("batch", "")
    with store.claim(digest, wait_seconds=wait_seconds) as folder:
        stored = store.settled(digest)
        if stored is not None:
            return stored
        begun = record_attempt(folder, batch)
        with Pulse() if pulse is None else nullcontext(pulse) as beating, beating.of(folder, report) as heard:
            if batch and begun > ATTEMPTS:
                result = failed(run, f"{ATTEMPTS} attempts in a row ended without a result or a new checkpoint")
            else:
                result = _trained(run, folder, store=store, report=heard, options=options)
            store.save(run, result, keep_weights=options["keep_weights"])
            leave(run, store)
        return result


def _trained(run: Run, folder: Path, *, store: Store, report: Report, options: AttemptOptions) -> Result:
    from dlth_bench.training.train_run import train_run  # torch: slow to import, and needed in workers only

    device, tuning = options["device"], options.get("tuning", Tuning())
    try:
        dataset = protocol_dataset(run.data)
        if tuning.devices > 1:
            call_followers(run, device, tuning)
        return train_run(
            run,
            dataset,
            folder=folder,
            searches=store.searches,
            keep_encoder=options["keep_weights"],
            device=device,
            checkpoint_seconds=options.get("checkpoint_seconds", 15.0),
            report=report,
            share_pretraining=lambda: pretraining_folder(run, store),
            tuning=tuning,
        )
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in one run must not stop the others
        (folder / "error.log").write_text(traceback.format_exc())
        return failed(run, f"{type(error).__name__}: {error}")


def failed(run: Run, reason: str) -> Result:
    """The result of a run that broke down."""
    text = " ".join(reason.split()) or "no reason given"
    return Result(run=run.digest, config=run.config.name, seed=run.seed, status="failed", reason=text[:500])


def given_up(run: Run, store: Store, reason: str) -> Result:
    """Store that a run broke down, unless it is settled or another process trains it; returns what is then known of it.

    It is told even where it cannot be stored: a full disk may be what broke the run.
    """
    result = failed(run, reason)
    try:
        with store.claim(run.digest):
            settled = store.settled(run.digest)
            if settled is None:
                store.save(run, result)
            return settled or result
    except (Busy, OSError):
        return result
