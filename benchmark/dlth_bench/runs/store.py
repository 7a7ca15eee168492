"""The store: one folder a run, named by its digest; the result file in it is the truth.

<root>/<first two digits>/<digest>/run.json      what it is
                                   result.json   what it left; written once, whole
                                   lock          held while a process trains it
                                   heartbeat.json  rewritten while it is trained: who, where, how far
                                   attempts.jsonl  who set out to train it and from which checkpoint
                                   *.safetensors checkpoints, gone when the run is finished;
                                                 encoder.safetensors and mask.safetensors stay where asked to,
                                                 critical.safetensors stays
                                   search.txt    where the search for the run's ticket is
<root>/pretrained/<digest>/... what runs that begin alike share, see `shared_pretraining`
<root>/searches/<first two digits>/<digest>/     a search for tickets that runs share: masks, weights at the rewind
                                                 point, lock; may be deleted, it is then made again when it is needed
<root>/batches/<batch>/...   what was handed to a cluster, see `batch`
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from dlth_bench.runs.run import TRAINING_VERSION, Result, Run, contradictions
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import read_text_file, write_atomically
from dlth_bench.util.model import Frozen
from dlth_bench.util.text import printable, quoted

DEFAULT_STORE = Path("runs")
RUN_FILE = "run.json"
RESULT_FILE = "result.json"
PRETRAINED_FILE = "pretrain.safetensors"
"""Weights after the first stage, until the run is finished."""
ENCODER_FILE = "encoder.safetensors"
"""The pretrained encoder, of runs whose weights were kept."""
MASK_FILE = "mask.safetensors"
"""The ticket's mask, of runs that prune and whose weights were kept."""
CRITICAL_FILE = "critical.safetensors"
"""The critical set, of runs that search on one; see `critical_set`."""
SEARCHES = "searches"
"""Folder of a store with searches for tickets, which runs share: ``<first two digits>/<digest>/``."""
SEARCH_FILE = "search.txt"
"""Where the searches of a run are, seen from the run's folder, one a line."""

Model = TypeVar("Model", bound=Frozen)


@dataclass(frozen=True)
class StoredRun:
    """A run and its result, and the folder they were read from."""

    folder: Path
    run: Run
    result: Result

    @property
    def result_path(self) -> Path:
        return self.folder / RESULT_FILE

    def class_accuracies(self) -> dict[str, float]:
        """Top-1 accuracy (a fraction) of each class that the run was evaluated on, by its ID.

        Raises:
            InputError: the run did not finish, or its accuracies do not fit its classes or each other.
        """
        result, source = self.result, self.result_path
        if result.status != "finished":
            reason = printable(result.reason, 120)
            raise InputError(f"is of a run that {result.status}, without accuracies: {reason}", source=source)
        for field, problem, _ in contradictions(result, len(self.run.class_ids)):
            # Without counts it was written by hand or by another tool: there is nothing to compare with.
            if result.class_counts or field != "class_counts":
                raise InputError(f"{problem}; the file was edited or is not whole", source=source)
        return dict(zip(self.run.class_ids, result.class_accuracy, strict=True))


def read_stored_run(path: Path) -> StoredRun:
    """The run in a folder of the store, or of its ``result.json``.

    Raises:
        InputError: one of the two files is missing or damaged, or they are of different runs.
    """
    folder = path.parent if path.is_file() else path
    result = _read(folder / RESULT_FILE, Result)
    if not (folder / RUN_FILE).is_file():
        raise InputError(f"has no {RUN_FILE} beside it, which would say its classes", source=folder / RESULT_FILE)
    run = _read(folder / RUN_FILE, Run)
    if (result.run, result.seed) != (run.digest, run.seed):
        message = f"is the result of another run than {RUN_FILE} beside it: one of them was edited or moved"
        raise InputError(message, source=folder / RESULT_FILE)
    return StoredRun(folder, run, result)


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(read_text_file(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        problem = f"{printable(where, 60)}: {printable(first['msg'], 120)}"
        raise InputError(f"not a {model.__name__.lower()} of the store ({problem})", source=path) from None


class Busy(RuntimeError):
    """Another process is training this run."""


class Store:
    """Results of runs under one folder, safe for any number of processes."""

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise InputError("is a file; the store must be a folder", source=root)
        if any(parent.is_file() for parent in root.parents):
            raise InputError("the store cannot be made: it would lie in a file", source=root)
        self.root = root

    def check_writable(self) -> None:
        """Make the folder of the store if there is none.

        Raises:
            InputError: nothing can be written there, so that training would be in vain.
        """
        probe = self.root / f".writable.{os.getpid()}.tmp"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(probe, b"results of runs go here\n")
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"the store cannot be written: {error.strerror}", source=self.root) from None

    def folder(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    @property
    def searches(self) -> Path:
        """Where runs share searches for tickets."""
        return self.root / SEARCHES

    def find(self, prefix: str) -> str:
        """The digest of the one stored run whose digest starts so.

        Raises:
            InputError: none does, or several do.
        """
        if not re.fullmatch("[0-9a-f]{1,64}", prefix):
            raise InputError(f"{quoted(prefix)} is not the start of a run's digest (0-9, a-f)")
        found = sorted(path.parent.name for path in self.root.glob(f"{prefix[:2]}*/{prefix}*/{RESULT_FILE}"))
        if not found:
            raise InputError(f"holds no run {quoted(prefix)}", source=self.root)
        if len(found) > 1:
            shown = ", ".join(digest[: len(prefix) + 6] for digest in found[:4]) + (", ..." if len(found) > 4 else "")
            raise InputError(f"holds {len(found)} runs {quoted(prefix)}: {shown}; write more digits", source=self.root)
        return found[0]

    def result(self, digest: str) -> Result | None:
        """The stored result of a run; None when there is none yet.

        Raises:
            InputError: the file is not a result of this run, for instance because it was edited or moved.
        """
        path = self.folder(digest) / RESULT_FILE
        try:
            result = Result.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "file"
            raise InputError(f"not a result ({where}: {first['msg']}); delete it to train again", source=path) from None
        if result.run != digest:
            raise InputError("is the result of another run; delete it to train again", source=path)
        return result

    def settled(self, digest: str) -> Result | None:
        """A result that training again would not change: finished, or diverged by itself; None otherwise."""
        result = self.result(digest)
        if result is None or result.status == "failed" or result.training_version != TRAINING_VERSION:
            return None
        return result

    def save(self, run: Run, result: Result, *, keep_weights: bool = False) -> None:
        """Write the result, then remove the checkpoints that it makes needless.

        Args:
            keep_weights: leave the pretrained encoder and a ticket's mask; optimizers, heads and averages go.
        """
        folder = self.folder(result.run)
        write_atomically(folder / RUN_FILE, (run.model_dump_json(exclude_defaults=True) + "\n").encode())
        write_atomically(folder / RESULT_FILE, (result.model_dump_json(exclude_defaults=True) + "\n").encode())
        if result.status != "failed":
            kept = {CRITICAL_FILE} | ({ENCODER_FILE, MASK_FILE} if keep_weights else set())
            for path in list(folder.iterdir()):
                if path.suffix == ".safetensors" and path.name not in kept:
                    path.unlink(missing_ok=True)

    def is_claimed(self, digest: str) -> bool:
        """Whether a process holds the run's lock now."""
        path = self.folder(digest) / "lock"
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0.0):
                return False
        except Timeout:
            return True
        except OSError:  # a store that may only be read: whoever looks must do with heartbeats
            return False

    @contextmanager
    def claim(self, digest: str, *, wait_seconds: float = 0.0) -> Iterator[Path]:
        """Hold a run's lock; yields its folder. The system releases it when the process dies, however it dies.

        Args:
            wait_seconds: how long to wait for another process; negative: for ever.

        Raises:
            Busy: another process holds it still.
        """
        folder = self.folder(digest)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=wait_seconds)
        try:
            lock.acquire()
        except Timeout:
            raise Busy(digest) from None
        try:
            for path in list(folder.iterdir()):
                if path.suffix == ".tmp" and path.name.startswith("."):  # of a process killed while it wrote
                    path.unlink(missing_ok=True)
            yield folder
        finally:
            lock.release()
