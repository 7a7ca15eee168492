"""The first stable point of a config's dense training: pairs of trainings from points of its own trajectory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dlth_bench.protocols.measurements import FirstStablePointSpec, Measured
from dlth_bench.training.measurements.barrier import barrier, measure_path
from dlth_bench.training.measurements.subject import MeasurementFinding, Subject, measured


@dataclass(frozen=True)
class StablePointSearch:
    """What a search for the first stable point found.

    Attributes:
        point: the earliest part from which on all probes count as stable; the last part if nothing is.
        probes: part and barrier of each probe, in the order in which they were made.
        violations: pairs of parts, a stable one and a later one that is not, which contradict the search's premise.
        censored: no probe is stable: the point is where training ends, which nothing was probed of.
    """

    point: int
    probes: tuple[tuple[int, float], ...]
    violations: tuple[tuple[int, int], ...]
    censored: bool


def search_first_stable(barrier_at: Callable[[int], float], parts: int, threshold: float) -> StablePointSearch:
    """Search the starting points 0 to ``parts - 1`` for the first one whose barrier is below the threshold.

    Both ends of the range are probed first, so that a network that is stable at once, or never, is told apart from
    one at the edge; then the range is halved, ceil(log2(parts - 1)) probes more. ``barrier_at``, the barrier between
    two trainings that part there, is called once for each point.
    """
    probes: dict[int, float] = {}

    def stable(point: int) -> bool:
        probes[point] = barrier_at(point)
        return probes[point] < threshold

    low, high = 0, parts - 1
    if stable(low):
        high = low
        if parts > 1:
            stable(parts - 1)
    elif not stable(high):
        low = high = parts
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if stable(middle) else (middle, high)
    violations = tuple(
        (early, late)
        for early, one in sorted(probes.items())
        for late, other in sorted(probes.items())
        if early < late and one < threshold <= other
    )
    return StablePointSearch(high, tuple(probes.items()), violations, censored=high == parts)


def costliest_search(cost_at: Callable[[int], int], parts: int) -> int:
    """The most that the probes of a search can cost together, whatever it finds; ``cost_at`` is that of one."""

    def most(low: int, high: int) -> int:
        if high - low <= 1:
            return 0
        middle = (low + high) // 2
        return cost_at(middle) + max(most(low, middle), most(middle, high))

    return cost_at(0) + (cost_at(parts - 1) if parts > 1 else 0) + most(0, parts - 1)


def measure_first_stable_point(spec: FirstStablePointSpec, subject: Subject) -> MeasurementFinding:
    """The point as a fraction of training, and all that was probed."""
    trainer, spent = subject.trainer, {"updates": 0, "seconds": 0.0}

    def barrier_at(part: int) -> float:
        begun, seconds = subject.trained_to(round(part / spec.parts * trainer.dense.end))
        errors = measure_path(begun, f"stable-{begun.start}", spec.points, spec.calibration_samples)
        spent["updates"] += begun.start + errors.updates
        spent["seconds"] += seconds + errors.seconds
        return barrier(errors.recalibrated if spec.recalibrated else errors.raw)

    found = search_first_stable(barrier_at, spec.parts, spec.threshold)
    images = int(spent["updates"]) * trainer.dense.spec.batch_size
    return MeasurementFinding(_measured(spec, found), images, spent["updates"] * trainer.step_flops, spent["seconds"])


def _measured(spec: FirstStablePointSpec, found: StablePointSearch) -> Measured:
    notes = [
        f"stable from {early / spec.parts:.3g} of training but not from {late / spec.parts:.3g}: what is stable did "
        "not stay so, and the first stable point may be another"
        for early, late in found.violations
    ]
    if found.censored:
        notes.append("no point that was probed is stable; the value is the end of training")
    series = {
        "probed_fraction": [part / spec.parts for part, _ in found.probes],
        "probed_barrier": [value for _, value in found.probes],
    }
    return measured(spec, [found.point / spec.parts], series, notes[:20])
