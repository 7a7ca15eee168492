"""The local engine: results that do not depend on interruptions, and failures that stay where they happen."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from dlth_bench.engines.engine import Finished, Progressed
from dlth_bench.engines.local import LocalEngine
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import Plan, make_plan
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from tiny_grid import CLASSES, SUBSET

PATIENCE = 600.0
"""Seconds after which another process is taken to hang; whatever the machine, one that is well takes far less."""

TRAIN = """
import sys
from pathlib import Path
from dlth_bench.engines.local import LocalEngine
from dlth_bench.runs.plan import make_plan
from dlth_bench.runs.store import Store
from dlth_bench.protocols.protocol_file import read_protocol
from dlth_bench.subsets.subset import Subset

if __name__ == "__main__":
    store = Store(Path(sys.argv[2]))
    subset = Subset.model_validate_json(sys.argv[3])
    plan = make_plan(read_protocol(Path(sys.argv[1])), subset, store)
    engine = LocalEngine(store, workers=2, device="cpu", checkpoint_seconds=0.0)
    for event in engine.run_all([planned.run for planned in plan.pending]):
        print(type(event).__name__, flush=True)
        sys.stdin.readline()
"""


def outcome(result: Result) -> dict[str, object]:
    """All of a result that must be the same however often its run was interrupted."""
    document = json.loads(result.model_dump_json(exclude={"peak_memory_bytes", "environment"}))
    document["cost"].pop("device_seconds")
    return document


def trained(engine: LocalEngine, runs: tuple[Run, ...]) -> dict[str, Result]:
    return {event.run.digest: event.result for event in engine.run_all(runs) if isinstance(event, Finished)}


def killed_after(events: int, script: Path, arguments: list[str]) -> bool:
    """Start a training process and kill -9 it after so many events; False when it was done before.

    It waits after each event for a word, and so cannot be done while this process is kept from looking.
    """
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments], stdin=pipe, stdout=pipe, text=True, start_new_session=True
    )
    assert process.stdin is not None and process.stdout is not None
    for seen, _ in enumerate(process.stdout, 1):
        if seen == events:
            os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must end by themselves
            process.wait()
            process.stdout.read()  # returns when the last worker has closed its end
            return True
        process.stdin.write("\n")
        process.stdin.flush()
    process.wait()
    return False


def test_kill_at_any_moment_changes_no_number(plan: Plan, store: Store, tiny_file: Path, tmp_path: Path) -> None:
    """kill -9 at several random points, then the same command, ends bit for bit as without."""
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    undisturbed = trained(LocalEngine(store, workers=2, device="cpu"), plan.runs)
    other = Store(tmp_path / "killed")
    arguments = [str(tiny_file), str(other.root), SUBSET.model_dump_json()]
    draw = random.Random(7)
    kills = [killed_after(draw.randint(20, 250), script, arguments) for _ in range(3)]
    assert kills[0]  # the workers may be ahead of their parent by a run each, and leave too little for all three
    assert not killed_after(10**9, script, arguments)
    for digest, result in undisturbed.items():
        again = other.result(digest)
        assert again is not None
        assert outcome(again) == outcome(result)
    leftovers = [path for path in other.root.rglob("*") if path.suffix in {".safetensors", ".tmp"}]
    assert leftovers == []


def test_finished_runs_are_not_repeated(tiny: Protocol, plan: Plan, store: Store) -> None:
    """A second plan on the same store has nothing to train, and training it anyway trains nothing."""
    runs = plan.runs[:1]
    engine = LocalEngine(store, workers=1, device="cpu")
    first = trained(engine, runs)
    events = list(engine.run_all(runs))
    assert not any(isinstance(event, Progressed) for event in events)
    assert [event.result for event in events if isinstance(event, Finished)] == list(first.values())
    again = make_plan(tiny, SUBSET, store)
    assert [planned.stored for planned in again.planned].count(True) == 1


def test_broken_run_is_recorded_and_the_rest_goes_on(tiny: Protocol, store: Store) -> None:
    """A run that cannot be trained is a result with its reason; the other runs finish; a diverged one says where."""
    good, doomed, wild = (Run(data=tiny.data, config=config, class_ids=CLASSES, seed=0) for config in tiny.configs)
    broken = doomed.model_copy(update={"class_ids": ("U+0041", "U+FFFF")})
    optimizer = wild.config.train.optimizer.model_copy(update={"lr": 1e30, "kind": "sgd"})
    train = wild.config.train.model_copy(update={"optimizer": optimizer})
    diverging = wild.model_copy(update={"config": wild.config.model_copy(update={"train": train})})
    results = trained(LocalEngine(store, workers=1, device="cpu"), (broken, diverging, good))
    assert results[broken.digest].status == "failed"
    assert "U+FFFF" in results[broken.digest].reason
    assert results[diverging.digest].status == "diverged"
    assert "at step" in results[diverging.digest].reason
    assert results[good.digest].status == "finished"


def hold(root: str, digest: str, held: Event, released: Event) -> None:
    with Store(Path(root)).claim(digest):
        held.set()
        released.wait(PATIENCE)


def test_a_run_in_other_hands_is_waited_for(plan: Plan, store: Store) -> None:
    """While another process holds a run, the others are trained first, and it is trained when it comes free."""
    held, free = plan.runs[0], plan.runs[2]
    context = multiprocessing.get_context("spawn")
    is_held, released = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(str(store.root), held.digest, is_held, released))
    holder.start()
    assert is_held.wait(PATIENCE)
    finished = []
    for event in LocalEngine(store, workers=1, device="cpu").run_all((held, free)):
        if isinstance(event, Finished):
            finished.append(event.run.digest)
            released.set()
    holder.join()
    assert finished == [free.digest, held.digest]


@pytest.mark.parametrize("status", ["failed", "finished"])
def test_only_failed_runs_are_tried_again(plan: Plan, store: Store, status: str) -> None:
    """What broke down is trained again by the same command; what finished is settled."""
    run = plan.runs[0]
    document = {"run": run.digest, "config": run.config.name, "seed": run.seed, "status": status}
    if status == "failed":
        document |= {"reason": "disk full"}
    else:
        document |= {"accuracy": 0.5, "cost": {"images": 1, "flops": 1.0, "device_seconds": 1.0}}
    store.save(run, Result.model_validate(document))
    assert (store.settled(run.digest) is None) == (status == "failed")


def test_a_worker_that_dies_idle_is_replaced(plan: Plan, store: Store) -> None:
    """A worker killed between two runs costs nothing: another takes its place and both runs finish."""
    runs = (plan.runs[0], plan.runs[1])
    engine = LocalEngine(store, workers=1, device="cpu")
    finished = []
    for event in engine.run_all(runs):
        if isinstance(event, Finished):
            finished.append(event.result.status)
            (worker,) = engine._pool
            worker.process.kill()
            worker.process.join()
    assert finished == ["finished", "finished"]
