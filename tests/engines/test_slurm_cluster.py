"""The Slurm engine on a real Slurm: lost nodes, killed jobs and time limits cost time, and no number.

Needs the two nodes of ``tests/slurm/start.sh``; ``tests/slurm/run.sh`` starts them, runs this and stops them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.engines.attempt import read_attempts
from dlth_bench.engines.batch import Grid
from dlth_bench.engines.engine import EngineSettings
from dlth_bench.engines.slurm import SlurmEngine, SlurmOptions
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.recipe import Duration
from dlth_bench.runs.plan import Plan
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from grid_of_21 import numbers, numbers_of, small_grid, trained_here
from tiny_grid import SUBSET

CONF = Path(os.environ.get("SLURM_CONF", "no-slurm.conf"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("sinfo") is None or not (CONF.parent / "n2.pid").exists(),
        reason="no two-node Slurm here: tests/slurm/run.sh starts one for these tests",
    ),
]
LIMIT_MINUTES = 2
GRACE_SECONDS = 30
"""Slurm then warns a job between 60 and 90 s after its start."""
PATIENCE_SECONDS = 1200


def slurm(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def running_jobs(node: str) -> list[str]:
    return slurm("squeue", "--noheader", "--states=running", f"--nodelist={node}", "--format=%A")


def processes(job: str) -> list[int]:
    """What belongs to a job: by its number in their environment, and the daemons that look after it by their name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_bytes().split(b"\0")
            name = (folder / "cmdline").read_bytes()
            if f"SLURM_JOB_ID={job}".encode() in environment or name.startswith(f"slurmstepd: [{job}.".encode()):
                found.append(int(folder.name))
    return found


def kill(*numbers: int) -> None:
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


@pytest.fixture
def second_node() -> Iterator[Callable[[], None]]:
    """Kills the second node with all that runs on it; it is back afterwards."""

    def lose() -> None:
        kill(int((CONF.parent / "n2.pid").read_text()), *(pid for job in running_jobs("n2") for pid in processes(job)))

    yield lose
    subprocess.run(["slurmd", "-N", "n2"], check=True)


def attempts(store: Store, runs: Sequence[Run]) -> int:
    return sum(len(read_attempts(store.folder(run.digest))) for run in runs)


def job_at_work(node: str, store: Store, runs: Sequence[Run]) -> str | None:
    """A job of the node that is in the middle of a run."""
    at_it = set[int]()
    for run in runs:
        begun = read_attempts(store.folder(run.digest))
        if begun and store.settled(run.digest) is None:
            at_it.add(begun[-1].pid)
    return next((job for job in running_jobs(node) if at_it.intersection(processes(job))), None)


def test_a_grid_survives_a_node_and_a_job(store: Store, second_node: Callable[[], None]) -> None:
    """One node's daemons and one job of the other are killed: the grid is completed, equal to the local engine's."""
    grid, runs = small_grid()
    settings = EngineSettings(store, grid, device="cpu", seconds={run.digest: 60.0 for run in runs})
    options = SlurmOptions(minutes=30, grace=30, pack_seconds=180)
    engine = SlurmEngine(settings, options, poll_seconds=1.0)
    folder = engine.submit(runs)
    assert folder is not None and len(folder.read().jobs) == 7
    wait_for(lambda: job_at_work("n1", store, runs) and job_at_work("n2", store, runs))
    victim = job_at_work("n1", store, runs)
    second_node()
    kill(*(processes(victim) if victim else ()))
    found = numbers_of(engine.run_all(runs))
    assert attempts(store, runs) > len(runs)
    assert found == trained_here(runs, store.root.parent / "local")


def test_a_run_longer_than_its_time_limit_is_finished(plan: Plan, tiny: Protocol, store: Store) -> None:
    """A job that Slurm warns of its limit is queued again and goes on from its checkpoint; nobody need wait for it."""
    run = next(run for run in plan.runs if run.config.name == "supervised")
    run = lengthened(run, LIMIT_MINUTES * 60 / processor_seconds(run))
    protocol = tiny.model_copy(
        update={"configs": tuple(run.config if c.name == run.config.name else c for c in tiny.configs)}
    )
    options = SlurmOptions(minutes=LIMIT_MINUTES, grace=GRACE_SECONDS)
    engine_for(store, protocol, options).submit([run])
    here = trained_here([run], store.root.parent / "local", workers=1)
    wait_for_result(store, run)
    begun = read_attempts(store.folder(run.digest))
    assert len(begun) >= 2
    assert all(attempt.checkpoint for attempt in begun[1:])
    assert settled(store, run) == here


def engine_for(store: Store, protocol: Protocol, options: SlurmOptions) -> SlurmEngine:
    grid = Grid(purpose="run", protocol=protocol, subset=SUBSET, subset_name="letters")
    return SlurmEngine(EngineSettings(store, grid, device="cpu"), options, poll_seconds=1.0)


def wait_for_result(store: Store, run: Run) -> None:
    wait_for(lambda: store.settled(run.digest))


def wait_for(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not there():
        if time.monotonic() > deadline:
            raise TimeoutError("the jobs do not get on; see Slurm's logs")
        time.sleep(0.2)


def settled(store: Store, run: Run) -> dict[str, dict[str, object]]:
    result = store.settled(run.digest)
    assert result is not None
    return {run.digest: numbers(result)}


def processor_seconds(run: Run) -> float:
    """What a run takes here; other load on the machine does not count, and makes it longer, not shorter."""
    import torch

    from dlth_bench.training.train_run import train_run

    def train(epochs: float) -> float:
        before = time.process_time()
        train_run(lengthened(run, epochs), protocol_dataset(run.data), device="cpu")
        return time.process_time() - before

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(0.1)  # loads what is loaded once
        return train(10.0) / 10
    finally:
        torch.set_num_threads(threads)


def lengthened(run: Run, factor: float) -> Run:
    """The run with so many times as many epochs."""
    epochs = run.config.train.duration.epochs
    assert epochs is not None
    train = run.config.train.model_copy(update={"duration": Duration(epochs=float(round(epochs * factor)))})
    return run.model_copy(update={"config": run.config.model_copy(update={"train": train})})
