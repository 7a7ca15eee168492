"""The Slurm engine: what it hands in, what it leaves alone, and what it does about jobs that nobody hears of again."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from dlth_bench.engines import slurm
from dlth_bench.engines.batch import BatchFolder, Grid, JobNumbers, batches, queue_name
from dlth_bench.engines.engine import EngineSettings, Event, Finished
from dlth_bench.engines.heartbeat import STALE_SECONDS, Listener
from dlth_bench.engines.slurm import SUBMISSIONS, SlurmEngine, SlurmJob, SlurmOptions
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import Plan
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from tiny_grid import SUBSET, broken, finished


class Cluster:
    """A Slurm that numbers jobs and keeps them in the queue until a test takes them out."""

    def __init__(self) -> None:
        self.queue: set[str] | None = set()
        self.batches: list[BatchFolder] = []

    def sbatch(self, folder: BatchFolder, jobs: int, options: SlurmOptions) -> JobNumbers:
        number = len(self.batches) + 1
        self.batches.append(folder)
        numbers = JobNumbers(jobs=tuple(f"{number}_{job}" for job in range(jobs)), last=f"{number}99")
        assert self.queue is not None
        self.queue |= {queue_name(folder.id, each) for each in numbers.jobs}
        return numbers

    def squeue(self) -> frozenset[str] | None:
        return None if self.queue is None else frozenset(self.queue)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(slurm, "_sbatch", cluster.sbatch)
    monkeypatch.setattr(slurm, "queued_jobs", cluster.squeue)
    return cluster


@pytest.fixture
def engine(store: Store, tiny: Protocol) -> SlurmEngine:
    """An engine that looks without pause and takes a run for lost at once."""
    return new_engine(store, tiny)


def new_engine(store: Store, tiny: Protocol) -> SlurmEngine:
    grid = Grid(purpose="run", protocol=tiny, subset=SUBSET, subset_name="letters")
    return SlurmEngine(EngineSettings(store, grid), SlurmOptions(), poll_seconds=0.0, lost_seconds=0.0)


def outcomes(events: Sequence[Event]) -> dict[str, str]:
    return {event.run.digest: event.result.status for event in events if isinstance(event, Finished)}


def test_results_are_taken_from_the_store(cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store) -> None:
    """Who waits hears of each run once, whatever became of its job."""
    events = engine.run_all(plan.runs)
    for run in plan.runs:
        store.save(run, finished(run))
    assert outcomes(list(events)) == {run.digest: "finished" for run in plan.runs}
    (folder,) = cluster.batches
    assert [job for (job,) in folder.read().jobs] == [(run.config.name, run.seed) for run in plan.runs]


def test_what_is_in_the_queue_is_not_handed_in_again(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store, tiny: Protocol
) -> None:
    """The same command on another terminal waits for the jobs that there are and adds those that are missing."""
    engine.submit(plan.runs[:4])
    other = new_engine(store, tiny)
    folder = other.submit(plan.runs)
    assert folder is not None
    assert folder.read().runs == list(plan.runs[4:])
    assert new_engine(store, tiny).submit(plan.runs) is None


def test_what_has_finished_is_not_handed_in(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store, tiny: Protocol
) -> None:
    """Its stored result is told, and with nothing left there is no batch."""
    for run in plan.runs[:2]:
        store.save(run, finished(run))
    folder = engine.submit(plan.runs[:3])
    assert folder is not None
    assert folder.read().runs == [plan.runs[2]]
    assert outcomes(list(new_engine(store, tiny).run_all(plan.runs[:2]))) == {
        run.digest: "finished" for run in plan.runs[:2]
    }
    assert len(cluster.batches) == 1


def test_a_dead_run_is_handed_in_though_its_heartbeat_is_dated_later(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store
) -> None:
    """The file server's clock was set back after a job was killed: its run is waited for no longer than any other."""
    (run,) = plan.runs[:1]
    clock = [0.0]
    engine._listener = Listener(clock=lambda: clock[0])
    engine.submit([run])
    assert cluster.queue is not None
    cluster.queue.clear()
    place = store.folder(run.digest)
    place.mkdir(parents=True)
    (place / "heartbeat.json").write_text('{"host": "n2", "pid": 7}')
    os.utime(place / "heartbeat.json", (4e9, 4e9))
    for seconds, handed_in in ((0.0, 1), (STALE_SECONDS - 1, 1), (STALE_SECONDS + 1, 2)):
        clock[0] = seconds
        engine._look_after([run])
        assert len(cluster.batches) == handed_in


def test_a_run_whose_job_is_gone_is_handed_in_again(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store
) -> None:
    """A job that was killed without a word costs its runs only time; the others are not repeated."""
    killed, fine = plan.runs[:2]
    looks = 0

    def train_on_third_look(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            store.save(killed, finished(killed))

    engine.sleep = train_on_third_look
    events = engine.run_all([killed, fine])
    store.save(fine, finished(fine))
    assert cluster.queue is not None
    cluster.queue.clear()
    assert outcomes(list(events)) == {fine.digest: "finished", killed.digest: "finished"}
    assert [folder.read().runs for folder in cluster.batches] == [[killed, fine], [killed]]


def test_a_run_whose_jobs_all_vanish_is_given_up(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setup line that ends every job at once does not submit jobs for ever; the reason names the logs."""
    original = cluster.sbatch

    def vanishing(folder: BatchFolder, jobs: int, options: SlurmOptions) -> JobNumbers:
        numbers = original(folder, jobs, options)
        assert cluster.queue is not None
        cluster.queue.clear()
        return numbers

    monkeypatch.setattr(slurm, "_sbatch", vanishing)
    (event,) = engine.run_all([plan.runs[0]])
    assert isinstance(event, Finished)
    assert event.result.status == "failed"
    assert f"{SUBMISSIONS} jobs ended without its result; see {cluster.batches[-1].path}" in event.result.reason
    assert store.result(plan.runs[0].digest) == event.result


def test_no_word_from_slurm_is_not_the_end_of_its_jobs(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store
) -> None:
    """While the controller is away nothing is handed in twice."""
    engine.submit(plan.runs)
    cluster.queue = None
    assert engine._look_after(list(plan.runs)) == []
    assert len(cluster.batches) == 1


def test_a_run_that_another_process_trains_is_not_lost(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store
) -> None:
    """Two commands at once: a run in the hands of the other's job is left there."""
    engine.submit(plan.runs[:1])
    assert cluster.queue is not None
    cluster.queue.clear()
    with store.claim(plan.runs[0].digest):
        assert engine._look_after(list(plan.runs[:1])) == []
    assert len(cluster.batches) == 1


def test_a_job_repeats_nothing(
    cluster: Cluster, engine: SlurmEngine, plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that was queued again trains neither what has finished nor what the batch has seen break down."""
    folder = engine.submit(plan.runs[:3])
    assert folder is not None
    store.save(plan.runs[0], finished(plan.runs[0]))
    store.save(plan.runs[1], broken(plan.runs[1], "failed", "out of memory"))
    handed: list[Run] = []

    def note(engine: object, runs: Sequence[Run]) -> list[Event]:
        handed.extend(runs)
        return []

    monkeypatch.setattr("dlth_bench.engines.slurm.LocalEngine.run_all", note)
    SlurmJob(str(store.root), folder.id, None)()
    assert handed == [plan.runs[2]]
    assert batches(store) == [folder]
