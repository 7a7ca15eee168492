"""A batch: the runs that one command handed to a cluster, written down in the store for whoever asks later.

<store>/batches/<id>/batch.json   what was handed over, and which runs share a job
                     jobs.json    the scheduler's numbers of the jobs, where it gave any
                     submitit/    Slurm's scripts and logs

The ID is new for every batch, so that nothing of an older one, or of another cluster's job of the same number, is
ever taken for this one's.
"""

from __future__ import annotations

import datetime
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.model import Frozen
from dlth_bench.util.text import printable, quoted

BATCHES = "batches"
Model = TypeVar("Model", bound=Frozen)
Purpose = Literal["run", "reference"]


class Grid(Frozen):
    """What a batch's runs are runs of: they share protocol and subset, so these are written once."""

    purpose: Annotated[Purpose, Field(description="The command that asked for it.")]
    protocol: Protocol
    subset: Subset
    subset_name: str
    exponent: Annotated[float, Field(description="Of the training's length, one of the protocol's.")] = 0.0


class Batch(Frozen):
    """The runs that one command handed to a cluster."""

    schema_version: Literal[1] = 1
    id: Annotated[str, Field(pattern=r"^[a-z]+-[0-9]{8}-[0-9]{6}-[0-9a-f]{4}$")]
    engine: str
    created: str
    grid: Grid
    jobs: Annotated[
        tuple[tuple[tuple[str, int], ...], ...], Field(description="The runs of each job, as (config, seed).")
    ]
    device: str = "auto"
    keep_weights: bool = False
    at_once: Annotated[int, Field(ge=1, description="Runs trained side by side in a job.")] = 1

    def runs_of(self, job: int) -> list[Run]:
        """The runs of one of the jobs, in the order in which it begins them."""
        grid, cells = self.grid, self.jobs[job]
        names, seeds = sorted({name for name, _ in cells}), sorted({seed for _, seed in cells})
        runs = grid_runs(grid.protocol, grid.subset, exponent=grid.exponent, seeds=seeds, configs=names)
        by_cell = {(run.config.name, run.seed): run for run in runs}
        return [by_cell[cell] for cell in cells]

    @property
    def runs(self) -> list[Run]:
        return [run for job in range(len(self.jobs)) for run in self.runs_of(job)]


class JobNumbers(Frozen):
    """The scheduler's numbers of a batch's jobs, in the batch's order, and of the one that comes after them."""

    jobs: tuple[str, ...]
    last: str


@dataclass(frozen=True)
class BatchFolder:
    """The place of one batch in a store."""

    store: Store
    id: str

    @property
    def path(self) -> Path:
        return self.store.root / BATCHES / self.id

    def read(self) -> Batch:
        """What was handed over.

        Raises:
            InputError: the file is damaged or of another version.
        """
        return _read(self.path / "batch.json", Batch)

    def numbers(self) -> JobNumbers | None:
        """The scheduler's numbers; None when it gave none, or the command that submitted died before it wrote them."""
        path = self.path / "jobs.json"
        return _read(path, JobNumbers) if path.exists() else None

    def write_numbers(self, numbers: JobNumbers) -> None:
        write_atomically(self.path / "jobs.json", (numbers.model_dump_json() + "\n").encode())

    def outcome(self, digest: str) -> Result | None:
        """The result of a run as far as this batch goes: a failure counts when it is not older than the batch."""
        settled = self.store.settled(digest)
        if settled is not None:
            return settled
        result = self.store.result(digest)
        if result is None or result.status != "failed":
            return None
        written = (self.store.folder(digest) / "result.json").stat().st_mtime_ns  # both by the file system's clock
        return result if written >= (self.path / "batch.json").stat().st_mtime_ns else None


def new_batch(
    store: Store,
    engine: str,
    grid: Grid,
    jobs: Sequence[Sequence[Run]],
    *,
    device: str = "auto",
    keep_weights: bool = False,
    at_once: int = 1,
) -> BatchFolder:
    """Write a batch down before any of its jobs exists."""
    now = datetime.datetime.now(tz=datetime.UTC)
    batch = Batch(
        id=f"{engine}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        engine=engine,
        created=now.isoformat(timespec="seconds"),
        grid=grid,
        jobs=tuple(tuple((run.config.name, run.seed) for run in job) for job in jobs),
        device=device,
        keep_weights=keep_weights,
        at_once=at_once,
    )
    folder = BatchFolder(store, batch.id)
    folder.path.mkdir(parents=True)
    write_atomically(folder.path / "batch.json", (batch.model_dump_json(exclude_defaults=True) + "\n").encode())
    return folder


def queue_name(batch: str, number: str) -> str:
    """How a job is known in a queue: jobs bear their batch's ID, since another cluster may have used the number."""
    return f"{batch}/{number}"


def batches(store: Store) -> list[BatchFolder]:
    """All batches of a store, oldest first."""
    found = [path.parent.name for path in (store.root / BATCHES).glob("*/batch.json")]
    return [BatchFolder(store, name) for name in sorted(found, key=lambda name: name.split("-")[1:])]


def find_batch(store: Store, name: str | None) -> BatchFolder:
    """The batch of a name, or of the only one that begins so; None: the newest.

    Raises:
        InputError: there is none, or there are several.
    """
    known = batches(store)
    if not known:
        raise InputError("holds no batch: nothing was handed to a cluster from here", source=store.root)
    if name is None:
        return known[-1]
    found = [folder for folder in known if folder.id.startswith(name)]
    if len(found) != 1:
        shown = ", ".join(folder.id for folder in (found or known)[-4:])
        raise InputError(f"{'no' if not found else 'more than one'} batch {quoted(name)}; there are {shown}")
    return found[0]


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(json.loads(path.read_bytes()))
    except (ValidationError, ValueError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise InputError(
            f"not a {model.__name__.lower()} of this version: {printable(first, 120)}", source=path
        ) from None


def pack(runs: Sequence[Run], seconds: Mapping[str, float], capacity: float) -> list[list[Run]]:
    """Runs in jobs of at most ``capacity`` expected seconds, the longest job first.

    A run goes into the first job that has room for it, the longest run first (first fit decreasing). One that is
    longer than the capacity, or whose time nobody has measured, has a job of its own.

    Args:
        seconds: expected time of a run, by its digest.
        capacity: expected seconds of a job.
    """
    known = [run for run in runs if run.digest in seconds]
    jobs: list[list[Run]] = []
    totals: list[float] = []
    for run in sorted(known, key=lambda run: -seconds[run.digest]):
        cost = seconds[run.digest]
        place = next((index for index, total in enumerate(totals) if total + cost <= capacity), None)
        if place is None:
            jobs.append([run])
            totals.append(cost)
        else:
            jobs[place].append(run)
            totals[place] += cost
    order = sorted(range(len(jobs)), key=lambda index: -totals[index])
    unmeasured = [[run] for run in runs if run.digest not in seconds]
    return unmeasured + [jobs[index] for index in order]
