"""What every engine is, and what it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dlth_bench.harness.batch import Grid
from dlth_bench.harness.engines.events import Event
from dlth_bench.harness.store import Store
from dlth_bench.spec.run import Run
from dlth_bench.spec.tuning import Tuning


class Engine(Protocol):
    """Where runs are computed."""

    def run_all(self, runs: Sequence[Run]) -> Iterator[Event]:
        """Train all runs that the store has not settled; yields progress and, once a run, its result.

        Closing the iterator stops what would stop with this process; jobs in a queue go on.
        """
        ...


@dataclass(frozen=True)
class EngineSettings:
    """What every engine is told.

    Args:
        grid: what the runs are runs of.
        workers: runs trained at once, on a cluster jobs; None: the engine's own choice.
        seconds: expected time of runs, by digest; those that nobody measured are not in it.
        tuning: how the steps of each run are computed.
        options: of the engine, as ``key=value``.
    """

    store: Store
    grid: Grid
    workers: int | None = None
    device: str = "auto"
    keep_weights: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    tuning: Tuning = field(default_factory=Tuning)
