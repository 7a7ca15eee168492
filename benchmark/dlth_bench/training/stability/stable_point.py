"""The first stable rewind point by binary search (stability paper, section 5; Frankle et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Search:
    """What a search for the first stable point found.

    Attributes:
        point: the earliest part from which on everything probed is taken for stable; the last part if nothing is.
        probes: part and barrier of each probe, in the order in which they were made.
        violations: pairs of parts, a stable one and a later one that is not, which contradict the search's premise.
        censored: no probe is stable: the point is where training ends, which nothing was probed of.
    """

    point: int
    probes: tuple[tuple[int, float], ...]
    violations: tuple[tuple[int, int], ...]
    censored: bool


def first_stable(barrier_at: Callable[[int], float], parts: int, threshold: float) -> Search:
    """Search the starting points 0 to ``parts - 1`` for the first one whose barrier is below the threshold.

    Both ends of the range are probed first, so that a network that is stable at once, or never, is told apart from
    one at the edge; then the range is halved, ceil(log2(parts - 1)) probes more.

    Args:
        barrier_at: the barrier between two trainings that part there; called once for each point.
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
    return Search(high, tuple(probes.items()), violations, censored=high == parts)


def costliest_search(cost_at: Callable[[int], int], parts: int) -> int:
    """The most that the probes of a search can cost together, whatever it finds.

    Args:
        cost_at: of a probe.
    """

    def most(low: int, high: int) -> int:
        if high - low <= 1:
            return 0
        middle = (low + high) // 2
        return cost_at(middle) + max(most(low, middle), most(middle, high))

    return cost_at(0) + (cost_at(parts - 1) if parts > 1 else 0) + most(0, parts - 1)
