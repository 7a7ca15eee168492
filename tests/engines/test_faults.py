"""Disks that are full or may only be read, processes that die at the start, and two commands at once.

Each ends in a clear word and goes on cleanly once the fault is mended.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlth_bench.engines import local
from dlth_bench.engines.attempt import attempt, given_up
from dlth_bench.engines.engine import Finished
from dlth_bench.engines.local import STARTS, LocalEngine
from dlth_bench.runs.plan import Plan
from dlth_bench.runs.run import Result
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from idle_training import begun, idle_environment
from tiny_grid import SUBSET, finished

TRAIN = """
import sys
from pathlib import Path
from dlth_bench.engines.engine import Finished
from dlth_bench.engines.local import LocalEngine
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.store import Store
from dlth_bench.protocols.protocol_file import read_protocol
from dlth_bench.subsets.subset import Subset

if __name__ == "__main__":
    subset = Subset.model_validate_json(sys.argv[3])
    runs = grid_runs(read_protocol(Path(sys.argv[1])), subset, seeds=range(20), configs=["supervised"])
    for event in LocalEngine(Store(Path(sys.argv[2])), workers=2, device="cpu").run_all(runs):
        if isinstance(event, Finished):
            print(event.run.digest, event.result.status)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 200 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def outcomes(engine: LocalEngine, plan: Plan, count: int) -> list[Result]:
    return [event.result for event in engine.run_all(plan.runs[:count]) if isinstance(event, Finished)]


def settled_numbers(store: Store, digest: str) -> object:
    result = store.settled(digest)
    assert result is not None
    document = json.loads(result.model_dump_json(exclude={"peak_memory_bytes", "environment"}))
    document["cost"].pop("device_seconds")
    return document


@pytest.mark.slow
def test_a_full_disk_is_told_and_costs_no_number(plan: Plan, tmp_path: Path, small_disk: Path) -> None:
    """A run whose disk is full fails with that reason and leaves no result; with room again it ends as anywhere."""
    store, run = Store(small_disk / "runs"), plan.runs[0]
    store.root.mkdir()
    filling = small_disk / "filling"
    with filling.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"\0" * 4096)
    engine = LocalEngine(store, device="cpu", checkpoint_seconds=0.0)
    (result,) = outcomes(engine, plan, 1)
    assert (result.status, "No space left on device" in result.reason) == ("failed", True)
    assert store.settled(run.digest) is None
    filling.unlink()
    other = Store(tmp_path / "roomy")
    for each in (engine, LocalEngine(other, device="cpu")):
        assert [result.status for result in outcomes(each, plan, 1)] == ["finished"]
    assert settled_numbers(store, run.digest) == settled_numbers(other, run.digest)


def test_a_result_that_cannot_be_written_is_none(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills while a run is trained: the error names the file, no half of it is taken for a result, and the
    failure is told though it cannot be stored; with room again the run is trained."""
    run, trainings = plan.runs[0], []

    def trained(run: object, folder: Path, **settings: object) -> Result:
        trainings.append(run)
        return finished(plan.runs[0])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def again() -> Result:
        return attempt(run, store, device="cpu", keep_weights=False, wait_seconds=0.0, checkpoint_seconds=15.0,
                       report=lambda stage, step, total: None)  # fmt: skip

    monkeypatch.setattr("dlth_bench.engines.attempt._trained", trained)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*run\.json'"):
            again()
        assert given_up(run, store, "disk full").status == "failed"
    assert store.result(run.digest) is None
    assert again() == again() == finished(run)
    assert len(trainings) == 2


@pytest.fixture
def read_only(small_disk: Path) -> Callable[[], Path]:
    """Makes the small disk one that may only be read."""

    def remount() -> Path:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        return small_disk

    return remount


def test_a_store_that_may_only_be_read_is_refused_before_training(
    plan: Plan, small_disk: Path, read_only: Callable[[], Path]
) -> None:
    """One line that says so; what is stored there can still be looked at."""
    store, run = Store(small_disk / "runs"), plan.runs[0]
    store.check_writable()
    store.save(run, finished(run))
    with store.claim(run.digest):
        pass
    read_only()
    with pytest.raises(InputError, match="the store cannot be written: Read-only file system"):
        store.check_writable()
    assert store.settled(run.digest) == finished(run)
    assert not store.is_claimed(run.digest)


def test_a_store_that_turns_read_only_fails_its_runs_with_that_reason(
    plan: Plan, small_disk: Path, read_only: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing hangs and nothing ends in a traceback: each run that is left says why it has no result."""
    for name, value in idle_environment(tmp_path / "begun").items():
        monkeypatch.setenv(name, value)
    read_only()
    results = outcomes(LocalEngine(Store(small_disk / "runs"), device="cpu"), plan, 2)
    assert [result.status for result in results] == ["failed", "failed"]
    assert all("Read-only file system" in result.reason for result in results)


def test_processes_that_die_at_the_start_are_no_endless_loop(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment in which no worker can start is told after a few of them, with the exit code."""
    monkeypatch.setattr(local, "work", end_at_once)
    results = outcomes(LocalEngine(store, device="cpu"), plan, 1)
    assert [result.status for result in results] == ["failed"]
    assert results[0].reason == f"{STARTS} processes in a row died while they started (exit code 7)"


def end_at_once(*arguments: object) -> None:
    os._exit(7)


def test_two_commands_at_once_share_the_work(tiny_file: Path, tmp_path: Path) -> None:
    """On one store both hear the result of every run, and no run is trained twice."""
    script, log, root = tmp_path / "train.py", tmp_path / "begun", tmp_path / "runs"
    script.write_text(TRAIN)
    command = [sys.executable, str(script), str(tiny_file), str(root), SUBSET.model_dump_json()]
    environment = os.environ | idle_environment(log, 0.05)
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[0].split() for process in both]
    assert told[0][1::2] == told[1][1::2] == ["finished"] * 20
    assert set(told[0][::2]) == set(told[1][::2])
    assert Counter(digest for digest, _ in begun(log)) == Counter(told[0][::2])
