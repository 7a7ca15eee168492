"""Following runs that are trained elsewhere, by what appears in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from dlth_bench.harness.engines.events import Event, Finished, Progressed
from dlth_bench.harness.heartbeat import Beat, read_beat
from dlth_bench.harness.store import Store
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run

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
