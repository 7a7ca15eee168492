"""The front of ρ against cost."""

from __future__ import annotations

from dlth_bench.board.figures.pareto import Point, pareto_front


def _point(name: str, cost: float, value: float) -> Point:
    return Point(name, cost, value, value, value, random=False)


def test_front_holds_what_no_cheaper_subset_reaches() -> None:
    """A dearer subset is on the front only if it correlates better; of equal ones the first given is."""
    points = [
        _point("dear", 40, 0.9),
        _point("dominated", 30, 0.7),
        _point("cheap", 10, 0.5),
        _point("worse at the same cost", 10, 0.4),
        _point("middle", 20, 0.8),
        _point("twin", 20, 0.8),
    ]
    assert [point.name for point in pareto_front(points)] == ["cheap", "middle", "dear"]


def test_front_of_nothing_is_empty() -> None:
    """No points, no front."""
    assert pareto_front([]) == []
