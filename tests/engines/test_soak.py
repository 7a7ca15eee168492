"""A thousand runs while workers are killed all the time: nothing is lost, doubled or left behind."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from dlth_bench.engines.attempt import read_attempts
from dlth_bench.engines.engine import Finished
from dlth_bench.engines.local import LocalEngine, Worker
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.store import Store
from idle_training import begun, idle_environment
from tiny_grid import SUBSET

RUNS = 1000
RUN_SECONDS = 0.1
KILL_SECONDS = 3.0
MEGABYTE = 2**20
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc, so Linux only")


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Killer(threading.Thread):
    """Kills one of an engine's workers every few seconds, in the middle of a run, but no run twice."""

    def __init__(self, engine: LocalEngine) -> None:
        super().__init__(daemon=True)
        self.engine, self.over, self.draw = engine, threading.Event(), random.Random(3)
        self.victims: list[str] = []

    def run(self) -> None:
        while not self.over.wait(KILL_SECONDS):
            worker = self.draw.choice([*filter(self.may_die, list(self.engine._pool)), None])
            if worker is not None and worker.run is not None and worker.process.pid is not None:
                self.victims.append(worker.run.digest)
                os.kill(worker.process.pid, signal.SIGKILL)

    def may_die(self, worker: Worker) -> bool:
        return worker.ready and worker.run is not None and worker.run.digest not in self.victims


@pytest.mark.slow
def test_a_thousand_runs_outlive_their_workers(
    tiny: Protocol, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run has one result, none is trained again once it has one, and the waiting process does not grow."""
    log = tmp_path / "begun"
    for name, value in idle_environment(log, RUN_SECONDS).items():
        monkeypatch.setenv(name, value)
    runs = grid_runs(tiny, SUBSET, seeds=range(RUNS), configs=["supervised"])
    engine = LocalEngine(store, workers=3, device="cpu")
    killer = Killer(engine)
    killer.start()
    results, memory = Counter[str](), list[int]()
    for event in engine.run_all(runs):
        if isinstance(event, Finished):
            assert event.result.status == "finished"
            results[event.run.digest] += 1
            memory.append(resident_bytes())
    killer.over.set()
    killer.join()
    assert len(killer.victims) >= 5
    assert results == Counter(run.digest for run in runs)
    assert all(store.settled(run.digest) for run in runs)
    trained = begun(log)
    assert not any(had_result for _, had_result in trained)
    assert RUNS <= len(trained) <= RUNS + len(killer.victims)
    assert sum(len(read_attempts(store.folder(run.digest))) for run in runs) == len(trained)
    assert memory[-1] - memory[RUNS // 5] < 4 * MEGABYTE
    assert list(store.root.rglob("*.tmp")) == list(store.root.rglob("heartbeat.json")) == []


def test_the_waiting_process_keeps_no_files_open(
    tiny: Protocol, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every worker that died or was replaced gives its pipe back."""
    for name, value in idle_environment(tmp_path / "begun").items():
        monkeypatch.setenv(name, value)
    engine = LocalEngine(store, workers=1, device="cpu")
    counts = []
    for event in engine.run_all(grid_runs(tiny, SUBSET, seeds=range(5), configs=["supervised"])):
        if isinstance(event, Finished):
            counts.append(open_files())
            (worker,) = engine._pool
            worker.process.kill()
            worker.process.join()
    assert len(set(counts[1:])) == 1  # the first worker of all brings some that stay
