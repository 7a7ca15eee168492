"""The Slurm engine on a real Slurm: lost nodes, killed jobs and warnings cost time, and no number.

Needs the two nodes of ``tests/slurm/start.sh``; docs/clusters.md says how.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlth_bench.harness.attempts import read_attempts
from dlth_bench.harness.batch import Grid, find_batch
from dlth_bench.harness.engines.events import Event, Finished
from dlth_bench.harness.engines.local import LocalEngine
from dlth_bench.harness.engines.registry import EngineSettings
from dlth_bench.harness.engines.slurm import SlurmEngine
from dlth_bench.harness.engines.slurm_options import SlurmOptions
from dlth_bench.harness.heartbeat import read_beat
from dlth_bench.harness.plan import Plan
from dlth_bench.harness.store import Store
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run
from tiny_grid import SUBSET

CONF = Path(os.environ.get("SLURM_CONF", "no-slurm.conf"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("sinfo") is None or not (CONF.parent / "n2.pid").exists(),
        reason='no two-node Slurm here: eval "$(tests/slurm/start.sh)" starts one',
    ),
]


def slurm(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


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
        jobs = slurm("squeue", "--noheader", "--states=running", "--nodelist=n2", "--format=%A")
        kill(int((CONF.parent / "n2.pid").read_text()), *(number for job in jobs for number in processes(job)))

    yield lose
    subprocess.run(["slurmd", "-N", "n2"], check=True)


def engine_for(store: Store, tiny: Protocol) -> SlurmEngine:
    grid = Grid(purpose="run", protocol=tiny, subset=SUBSET, subset_name="letters")
    settings = EngineSettings(store, grid, device="cpu")
    return SlurmEngine(settings, SlurmOptions(minutes=10, grace=30), poll_seconds=1.0)


def outcome(result: Result) -> dict[str, object]:
    """All of a result that must be the same wherever its run was trained."""
    document = json.loads(result.model_dump_json(exclude={"peak_memory_bytes", "environment"}))
    document["cost"].pop("device_seconds")
    return document


def outcomes(events: Iterator[Event]) -> dict[str, dict[str, object]]:
    return {event.run.digest: outcome(event.result) for event in events if isinstance(event, Finished)}


def in_training(store: Store, runs: tuple[Run, ...], count: int) -> None:
    """Wait until so many of the runs are trained."""
    while sum(read_beat(store.folder(run.digest)) is not None for run in runs) < count:
        time.sleep(0.2)


def test_a_grid_survives_a_node_and_a_job(
    plan: Plan, tiny: Protocol, store: Store, second_node: Callable[[], None]
) -> None:
    """One node's daemons and one job of the other are killed: the grid is completed, equal to the local engine's."""
    engine = engine_for(store, tiny)
    engine.submit(plan.runs)
    in_training(store, plan.runs, 3)
    victim, *_ = slurm("squeue", "--noheader", "--states=running", "--nodelist=n1", "--format=%A")
    second_node()
    kill(*processes(victim))
    found = outcomes(engine.run_all(plan.runs))
    assert any(len(read_attempts(store.folder(run.digest))) > 1 for run in plan.runs)
    here = LocalEngine(Store(store.root.parent / "local"), workers=2, device="cpu")
    assert found == outcomes(here.run_all(plan.runs))


def test_a_warned_job_is_queued_again_and_nobody_need_wait(plan: Plan, tiny: Protocol, store: Store) -> None:
    """The signal before a time limit or preemption: the same job comes back and completes the run, with no driver."""
    (run,) = runs = plan.runs[:1]
    engine_for(store, tiny).submit(runs)
    in_training(store, runs, 1)
    numbers = find_batch(store, None).numbers()
    assert numbers is not None
    slurm("scancel", "--signal=USR2", numbers.jobs[0])
    while store.settled(run.digest) is None:
        time.sleep(0.5)
    assert len(read_attempts(store.folder(run.digest))) == 2
    here = LocalEngine(Store(store.root.parent / "local"), device="cpu")
    result = store.settled(run.digest)
    assert result is not None
    assert {run.digest: outcome(result)} == outcomes(here.run_all(runs))
