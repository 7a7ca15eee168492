"""How far a batch is, by the store: results first, then signs of life, and the scheduler's word only for the rest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Literal

from dlth_bench.engines.batch import BatchFolder, queue_name
from dlth_bench.engines.engine import Event, Finished, Progressed
from dlth_bench.engines.heartbeat import Beat, file_clock, is_fresh, read_beat, silent_seconds
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store

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


Outcome = Callable[[Run], Result | None]
"""The result that a run is taken to have left; None while it has none."""

Settle = Callable[[list[Run]], list[Finished]]
"""Looks after the runs that have no result yet, and says which it has given up."""


class Follower:
    """Tells the progress of runs from their heartbeats, each step once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._told: dict[str, Beat] = {}

    def progress(self, runs: Iterable[Run]) -> Iterator[Progressed]:
        """What has changed since the last call."""
        for run in runs:
            beat = read_beat(self.store.folder(run.digest))
            if beat is not None and beat.total and self._told.get(run.digest) != beat:
                self._told[run.digest] = beat
                yield Progressed(run, beat.stage, beat.step, beat.total)


def follow(
    runs: Iterable[Run],
    store: Store,
    outcome: Outcome,
    look_after: Settle,
    *,
    poll_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Yield progress and results of runs until each has one, or is given up by ``look_after``."""
    follower, left = Follower(store), {run.digest: run for run in runs}
    while True:
        for run in list(left.values()):
            result = outcome(run)
            if result is not None:
                del left[run.digest]
                yield Finished(run, result)
        for event in look_after(list(left.values())):
            left.pop(event.run.digest, None)
            yield event
        if not left:
            return
        yield from follower.progress(left.values())
        sleep(poll_seconds)
