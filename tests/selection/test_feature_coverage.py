"""k-centre and herding against their definitions, written out slowly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dlth_bench.selection.by_features import greedy_centres, herd


def slow_centres(points: np.ndarray, size: int, first: int) -> list[int]:
    """Each next point is the one whose nearest centre is farthest."""
    chosen = [first]
    while len(chosen) < size:
        away = [min(np.linalg.norm(point - points[centre]) for centre in chosen) for point in points]
        chosen.append(max((i for i in range(len(points)) if i not in chosen), key=lambda i: (away[i], -i)))
    return chosen


def slow_herd(points: np.ndarray, size: int) -> list[int]:
    """Each next point is the one that brings the mean of the chosen nearest to the mean of all."""
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    chosen: list[int] = []
    while len(chosen) < size:
        away = {i: np.linalg.norm(units[[*chosen, i]].mean(0) - units.mean(0)) for i in range(len(units))}
        chosen.append(min((i for i in away if i not in chosen), key=lambda i: (away[i], i)))
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_against_the_slow_definitions(seed: int) -> None:
    """The same samples in the same order, on random features."""
    rng = np.random.default_rng(seed)
    points = rng.normal(1.0, 1.0, size=(40, 6))
    first = int(rng.integers(40))
    assert greedy_centres(points, 40, first).tolist() == slow_centres(points, 40, first)
    assert herd(points, 40).tolist() == slow_herd(points, 40)


def test_known_centres() -> None:
    """On a line: from one end to the other, then the middle, then the first of two equal gaps."""
    line = np.arange(9, dtype=float)[:, None]
    assert greedy_centres(line, 5, first=0).tolist() == [0, 8, 4, 2, 6]


@pytest.mark.parametrize("seed", range(3))
def test_cover_is_within_twice_the_best(seed: int) -> None:
    """Gonzalez' bound, against all possible sets of centres."""
    points = np.random.default_rng(seed).normal(size=(11, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    best = min(distances[:, list(centres)].min(axis=1).max() for centres in itertools.combinations(range(11), 3))
    assert distances[:, greedy_centres(points, 3, 0)].min(axis=1).max() <= 2 * best + 1e-9


def test_equal_features_are_not_chosen_twice() -> None:
    """Samples that lie on one another fill a budget one by one, the first first; zeros are no trouble."""
    for points in (np.ones((5, 3)), np.zeros((5, 3))):
        assert greedy_centres(points, 5, first=2).tolist() == [2, 0, 1, 3, 4]
        assert herd(points, 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("scale", [1e-4, 1.0, 6e4])
def test_scale_does_not_matter(scale: float) -> None:
    """Features of any size give the same samples."""
    points = np.random.default_rng(7).normal(size=(60, 4))
    assert np.array_equal(greedy_centres(scale * points, 30, 0), greedy_centres(points, 30, 0))
    assert np.array_equal(herd(scale * points, 30), herd(points, 30))
