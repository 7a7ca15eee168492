"""One pretraining for the runs that differ in their evaluation alone, such as MAE's linear probe and fine-tuning.

Before runs are handed to an engine, those that would begin with the same pretraining are invited to share it:

<store>/pretrained/<digest of the pretraining>/runs.json   which runs those are
                                               lock        held while one of them trains it
                                               *.safetensors its checkpoint, then its weights

The first run that gets there trains, the others load what it left, which is what they would have trained, bit for bit.
One that comes while another trains does not wait but trains for itself. The last to have its result clears the folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dlth_bench.harness.store import Store
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.run import Run
from dlth_bench.spec.stored_run import PRETRAINED_FILE

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
