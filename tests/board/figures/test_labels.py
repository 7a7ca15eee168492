"""Labels that name points: never on top of each other, never further away than they must be."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlth_bench.board.figures.drawing import spread


@given(st.lists(st.floats(-100, 100), max_size=12), st.floats(0.1, 10))
def test_labels_are_apart_and_in_order(wanted: list[float], gap: float) -> None:
    """However the points crowd, no label covers another, and the labels keep the points' order."""
    places = spread(wanted, gap)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    steps = [places[after] - places[before] for before, after in itertools.pairwise(order)]
    assert all(step >= gap - 1e-9 for step in steps)


def test_labels_with_room_stay_where_they_are() -> None:
    """A label moves only when it must."""
    assert spread([5.0, 1.0, 9.0], 2.0) == [5.0, 1.0, 9.0]


def test_crowded_labels_are_centred_on_their_points() -> None:
    """Three labels of one point stand around it, the first of them lowest; a far one is left alone."""
    assert spread([4.0, 4.0, 4.0, 20.0], 1.0) == pytest.approx([3.0, 4.0, 5.0, 20.0])
