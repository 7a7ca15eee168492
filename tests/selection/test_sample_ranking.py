"""How samples are drawn and how classes share a budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlth_bench.selection.policy import Draw
from dlth_bench.selection.random import balanced_random_samples, fewer_images, random_samples
from dlth_bench.selection.sample_pool import class_members, class_shares, ranked, take, take_fraction
from dlth_bench.util.errors import InputError

LABELS = np.array([0] * 10 + [1] * 3 + [2] * 7)


def per_class(positions: np.ndarray, labels: np.ndarray = LABELS) -> list[int]:
    return np.bincount(labels[positions], minlength=3).tolist()


def test_equal_keys_fall_to_the_next_key_and_then_to_the_order() -> None:
    """Ascending by each key in turn."""
    assert ranked(np.array([2, 1, 1, 1]), np.array([0.0, 5.0, -5.0, 5.0])).tolist() == [2, 1, 3, 0]


@pytest.mark.parametrize(
    ("size", "equal", "fraction"),
    [
        (3, [1, 1, 1], [1, 1, 1]),
        (6, [2, 2, 2], [3, 1, 2]),
        (11, [4, 3, 4], [5, 2, 4]),
        (17, [7, 3, 7], [8, 3, 6]),
        (20, [10, 3, 7], [10, 3, 7]),
    ],
)
def test_shares(size: int, equal: list[int], fraction: list[int]) -> None:
    """Equal numbers until a class runs out, or equal fractions, rounded up where the size allows."""
    assert class_shares(LABELS, size, balanced=True).tolist() == equal
    assert class_shares(LABELS, size, balanced=False).tolist() == fraction


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_shares_are_as_equal_as_can_be(classes: list[int], data: st.DataObject) -> None:
    """No class that has samples left gets two fewer than another; fractions differ by less than one sample; and
    within a class, those first in the order are taken."""
    labels = np.unique(np.array(classes), return_inverse=True)[1]
    order = np.array(data.draw(st.permutations(range(len(labels)))))
    size = data.draw(st.integers(1, len(labels)))
    counts = np.bincount(labels)
    for taken, fraction in ((take(order, size, labels), False), (take_fraction(order, size, labels), True)):
        shares = np.bincount(labels[taken], minlength=len(counts))
        assert shares.sum() == len(set(taken.tolist())) == size
        for label in range(len(counts)):
            members = order[labels[order] == label]
            assert set(members[: shares[label]].tolist()) == set(taken[labels[taken] == label].tolist())
        if fraction:
            # What a class got last was at no larger a fraction than what another would have got next.
            assert ((shares - 1) / counts).max() <= np.where(shares < counts, shares / counts, np.inf).min()
        else:
            assert shares.max() - np.where(shares < counts, shares, shares.max()).min() <= 1


def test_members() -> None:
    """Positions of each class, also where samples do not come class by class."""
    assert [part.tolist() for part in class_members(np.array([2, 0, 2, 1, 0]))] == [[1, 4], [3], [0, 2]]


def test_random_samples_favour_no_sample() -> None:
    """Different positions, and over many seeds each equally often."""
    draws = [random_samples(20, 5, seed) for seed in range(2000)]
    assert all(len(set(drawn.tolist())) == 5 for drawn in draws)
    counts = np.bincount(np.concatenate(draws), minlength=20)
    assert counts.min() > 420  # 500 expected; fixed seeds, so no luck is needed
    assert counts.max() < 580


def test_balanced_draw_favours_no_sample_of_a_class_and_no_class() -> None:
    """4 of 3 classes: one each, and one more of a class that is drawn."""
    draws = [balanced_random_samples(LABELS, 4, seed) for seed in range(3000)]
    shares = np.array([per_class(drawn) for drawn in draws])
    assert set(map(tuple, shares.tolist())) == {(2, 1, 1), (1, 2, 1), (1, 1, 2)}
    assert (shares == 2).sum(axis=0) == pytest.approx([1000, 1000, 1000], rel=0.1)
    counts = np.bincount(np.concatenate(draws), minlength=20) * np.bincount(LABELS)[LABELS]
    assert counts == pytest.approx(np.full(20, 4000), rel=0.15)


def test_fewer_images_keeps_every_class() -> None:
    """The same fraction of each class, at least one sample; the first of each, or others for another seed."""
    assert per_class(fewer_images(LABELS, 10)) == [5, 2, 3] or per_class(fewer_images(LABELS, 10)) == [5, 1, 4]
    assert per_class(fewer_images(LABELS, 3, seed=5)) == [1, 1, 1]
    assert sorted(fewer_images(LABELS, 6, Draw.FIRST).tolist()) == [0, 1, 2, 10, 13, 14]
    drawn = {tuple(sorted(fewer_images(LABELS, 6, seed=seed).tolist())) for seed in range(20)}
    assert len(drawn) == 20
    with pytest.raises(InputError, match="size 2: nir keeps every class, and there are 3"):
        fewer_images(LABELS, 2)


def test_equal_numbers_of_those_that_an_order_has() -> None:
    """An order may leave samples out, such as those that were never learned: classes share equally all the same."""
    order = np.array([0, 1, 2, 3, 13, 14, 15, 16, 17, 10])
    assert per_class(take(order, 7, LABELS)) == [3, 1, 3]
    assert per_class(take(order, 3, LABELS)) == [1, 1, 1]
