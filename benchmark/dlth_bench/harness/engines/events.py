"""What an engine tells while it works."""

from __future__ import annotations

from dataclasses import dataclass

from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run


@dataclass(frozen=True)
class Progressed:
    """A run is at ``step`` of ``total`` updates of one of its stages."""

    run: Run
    stage: str
    step: int
    total: int


@dataclass(frozen=True)
class Finished:
    """A run has its result, whatever its status."""

    run: Run
    result: Result


Event = Progressed | Finished
