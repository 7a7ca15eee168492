"""How far a batch is, by the store: results first, then signs of life, and the scheduler's word only for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from dlth_bench.harness.batch import BatchFolder, queue_name
from dlth_bench.harness.heartbeat import Beat, file_clock, is_fresh, read_beat, silent_seconds
from dlth_bench.harness.store import Store
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run

State = Literal["finished", "diverged", "failed", "running", "queued", "lost"]
STATES: tuple[State, ...] = ("finished", "diverged", "failed", "running", "queued", "lost")
"""``queued``: its job is to come, or has not come to it yet; ``lost``: it has no result and nobody is at it."""


@dataclass(frozen=True)
class RunState:
    """Where one run of a batch stands; ``silent`` is the age of its heartbeat in seconds."""

    run: Run
    state: State
    result: Result | None = None
    beat: Beat | None = None
    silent: float | None = None


def run_states(folder: BatchFolder, queue: Set[str] | None) -> list[RunState]:
    """The state of every run of a batch.

    Args:
        queue: the jobs that wait or run, by `queue_name`; None when the scheduler cannot be asked.
    """
    batch, numbers, now = folder.read(), folder.numbers(), file_clock(folder.store.root)
    states = []
    for job in range(len(batch.jobs)):
        expected = None if queue is None or numbers is None else queue_name(batch.id, numbers.jobs[job]) in queue
        states += [_state(run, folder, expected, now) for run in batch.runs_of(job)]
    return states


def _state(run: Run, folder: BatchFolder, expected: bool | None, now: float) -> RunState:
    """One run's state; ``expected``: whether its job is in the queue, None when nobody knows."""
    result = folder.outcome(run.digest)
    if result is not None:
        return RunState(run, result.status, result)
    place = folder.store.folder(run.digest)
    silent, beat = silent_seconds(place, now), read_beat(place)
    if is_running(run, folder.store, now):
        return RunState(run, "running", None, beat, silent)
    if expected is None:  # a stale heartbeat is then all there is to tell that a run was under way
        return RunState(run, "queued" if silent is None else "lost", None, beat, silent)
    return RunState(run, "queued" if expected else "lost", None, beat, silent)


def is_running(run: Run, store: Store, now: float) -> bool:
    """Whether somebody trains the run: its heartbeat is fresh, or its lock is held.

    Args:
        now: by `file_clock`.
    """
    return is_fresh(silent_seconds(store.folder(run.digest), now)) or store.is_claimed(run.digest)


def counted(states: list[RunState]) -> dict[State, int]:
    """How many runs are in each state."""
    counts = Counter(state.state for state in states)
    return {state: counts[state] for state in STATES}
