"""Batches: what was handed to a cluster can be asked for later, from anywhere, and the store has the last word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlth_bench.engines.batch import BatchFolder, Grid, JobNumbers, batches, find_batch, new_batch, queue_name
from dlth_bench.engines.batch_state import counted, run_states
from dlth_bench.engines.heartbeat import STALE_SECONDS, Pulse, read_beat
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import Plan
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from tiny_grid import SUBSET, broken, finished


@pytest.fixture
def folder(plan: Plan, store: Store, tiny: Protocol) -> BatchFolder:
    """All six runs in three jobs of two."""
    grid = Grid(purpose="run", protocol=tiny, subset=SUBSET, subset_name="letters")
    jobs = [plan.runs[0:2], plan.runs[2:4], plan.runs[4:6]]
    folder = new_batch(store, "slurm", grid, jobs)
    folder.write_numbers(JobNumbers(jobs=("7_0", "7_1", "7_2"), last="8"))
    return folder


def in_queue(folder: BatchFolder, *numbers: str) -> frozenset[str]:
    return frozenset(queue_name(folder.id, number) for number in numbers)


def states(folder: BatchFolder, queue: frozenset[str] | None) -> list[str]:
    return [state.state for state in run_states(folder, queue)]


def test_runs_come_back_as_they_were(folder: BatchFolder, plan: Plan, store: Store) -> None:
    """A job on another machine trains exactly the runs that were planned, in their jobs."""
    (found,) = batches(Store(store.root))
    batch = found.read()
    assert [run.digest for run in batch.runs] == [run.digest for run in plan.runs]
    assert batch.runs_of(1) == list(plan.runs[2:4])
    assert find_batch(store, "slurm-") == find_batch(store, None) == folder


def test_every_batch_has_a_folder_of_its_own(folder: BatchFolder, store: Store) -> None:
    """Two commands in the same second never share logs or job numbers."""
    batch = folder.read()
    other = new_batch(store, "slurm", batch.grid, [batch.runs_of(0)])
    assert other.id != folder.id
    with pytest.raises(InputError, match="more than one batch 'slurm'"):
        find_batch(store, "slurm")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"id": "x"}', b"\xff"])
def test_a_damaged_batch_is_named(folder: BatchFolder, content: bytes) -> None:
    (folder.path / "batch.json").write_bytes(content)
    with pytest.raises(InputError, match="not a batch of this version") as caught:
        folder.read()
    assert caught.value.source == str(folder.path / "batch.json")


def test_the_store_decides_and_the_queue_fills_in(folder: BatchFolder, plan: Plan, store: Store) -> None:
    """A result counts whatever Slurm says; what has none is running, queued or lost."""
    store.save(plan.runs[0], finished(plan.runs[0]))
    store.save(plan.runs[2], broken(plan.runs[2]))
    running = store.folder(plan.runs[4].digest)
    running.mkdir(parents=True)
    with Pulse(first_seconds=0.001) as pulse, pulse.of(running, lambda stage, step, total: None):
        while read_beat(running) is None:
            pass
        found = states(folder, in_queue(folder, "7_0"))
    assert found == ["finished", "queued", "diverged", "lost", "running", "lost"]
    assert counted(run_states(folder, in_queue(folder, "7_0", "7_1", "7_2")))["queued"] == 4


def test_a_number_of_another_batch_says_nothing(folder: BatchFolder) -> None:
    """A cluster that was set up anew counts from one again; its jobs are not this batch's."""
    assert set(states(folder, frozenset({"slurm-20200101-000000-abcd/7_0", "7_0"}))) == {"lost"}


def test_a_killed_job_is_noticed_without_the_scheduler(folder: BatchFolder, plan: Plan, store: Store) -> None:
    """Where Slurm cannot be asked, a stale heartbeat and a free lock say that nobody trains the run; a held lock
    says that somebody does."""
    place = store.folder(plan.runs[0].digest)
    place.mkdir(parents=True)
    (place / "heartbeat.json").write_text('{"host": "n2", "pid": 7, "stage": "pretrain", "step": 3, "total": 9}')
    assert states(folder, None)[0] == "running"
    old = (place / "heartbeat.json").stat().st_mtime - STALE_SECONDS - 1
    os.utime(place / "heartbeat.json", (old, old))
    assert states(folder, None)[:2] == ["lost", "queued"]
    with store.claim(plan.runs[0].digest):
        assert states(folder, None)[0] == "running"


def test_an_old_failure_is_not_this_batchs(plan: Plan, store: Store, tiny: Protocol) -> None:
    """A run that broke down last week and was handed in again today waits; once it breaks down anew it has failed."""
    run: Run = plan.runs[0]
    store.save(run, broken(run, "failed", "disk full"))
    result_file: Path = store.folder(run.digest) / "result.json"
    os.utime(result_file, (1e9, 1e9))
    grid = Grid(purpose="run", protocol=tiny, subset=SUBSET, subset_name="letters")
    folder = new_batch(store, "slurm", grid, [[run]])
    assert states(folder, None) == ["queued"]
    store.save(run, broken(run, "failed", "disk full"))
    assert states(folder, None) == ["failed"]
