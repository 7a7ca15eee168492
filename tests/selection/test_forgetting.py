"""Forgetting events, counted as their definition says, and what happens to samples that were never learned."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dlth_bench.selection.by_dynamics import ForgettingCounts, forgetting, most_forgotten, summed
from dlth_bench.selection.policy import NeverLearned
from dlth_bench.util.errors import InputError

CORRECT = np.array(
    [
        [0, 1, 1, 1, 0, 0],
        [0, 1, 0, 0, 0, 1],
        [0, 1, 1, 0, 1, 1],
        [0, 1, 0, 1, 1, 0],
    ],
    dtype=bool,
)
"""Six samples over four epochs: never learned, never forgotten, forgotten twice, once, learned late, forgotten once."""


def slow_count(history: list[bool]) -> int:
    return sum(before and not now for before, now in itertools.pairwise(history))


def test_hand_made_histories() -> None:
    """Events and whether a sample was ever learned are kept apart."""
    statistics = forgetting(CORRECT)
    assert statistics.events.tolist() == [0, 0, 2, 1, 0, 1]
    assert statistics.learned.tolist() == [False, True, True, True, True, True]


def test_count_equals_that_of_the_definition() -> None:
    """On random histories, each sample has as many events as there are steps from right to wrong."""
    correct = np.random.default_rng(0).random((30, 200)) < 0.6
    statistics = forgetting(iter(correct))
    assert statistics.events.tolist() == [slow_count(history) for history in correct.T.tolist()]
    assert statistics.learned.tolist() == [any(history) for history in correct.T.tolist()]


@pytest.mark.parametrize(
    ("never_learned", "order"),
    [
        (NeverLearned.FIRST, [0, 2, 3, 5, 1, 4]),
        (NeverLearned.LAST, [2, 3, 5, 1, 4, 0]),
        (NeverLearned.EXCLUDE, [2, 3, 5, 1, 4]),
    ],
)
def test_order_and_conventions(never_learned: NeverLearned, order: list[int]) -> None:
    """Most events first, equal ones in the samples' order; samples never learned where the option says."""
    for size in range(1, len(order) + 1):
        assert most_forgotten(forgetting(CORRECT), size, never_learned).tolist() == order[:size]


def test_excluded_samples_do_not_fill_the_budget() -> None:
    """A size that only never-learned samples could fill is refused."""
    with pytest.raises(InputError, match="size 6: only 5 of the 6 samples were ever learned"):
        most_forgotten(forgetting(CORRECT), 6, NeverLearned.EXCLUDE)


def test_equally_many_events_go_by_correct_epochs() -> None:
    """So that the samples' order, which is the classes', does not decide."""
    chosen = most_forgotten(
        forgetting(CORRECT), 6, NeverLearned.LAST, epochs_correct=CORRECT.sum(axis=0, dtype=np.int64)
    )
    assert chosen.tolist() == [2, 3, 5, 4, 1, 0]


def test_balanced_takes_the_most_forgotten_of_each_class() -> None:
    """Equal numbers, even where one class has all the events."""
    labels = np.array([1, 1, 0, 0, 1, 0])
    chosen = most_forgotten(forgetting(CORRECT), 4, NeverLearned.LAST, labels=labels)
    assert sorted(chosen.tolist()) == [1, 2, 3, 4]


def test_trainings_add_up() -> None:
    """Events of several trainings are summed; a sample is learned if one of them learned it."""
    first = ForgettingCounts(np.array([0, 1, 2]), np.array([False, True, True]))
    second = ForgettingCounts(np.array([0, 3, 0]), np.array([False, True, False]))
    both = summed([first, second])
    assert (both.events.tolist(), both.learned.tolist()) == ([0, 4, 2], [False, True, True])
