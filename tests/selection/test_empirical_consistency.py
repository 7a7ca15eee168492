"""ERC: the classes on which models rank as overall."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dlth_bench.selection.erc import Consistency, consistent_classes, draw_consistent
from dlth_bench.selection.policy import Ties
from dlth_bench.util.errors import InputError

#          a    b    c    d    e
TABLE = {
    "dino": [0.9, 0.8, 0.50, 0.7, 0.9],
    "moco": [0.8, 0.8, 0.52, 0.6, 0.7],
    "mae": [0.6, 0.7, 0.40, 0.7, 0.5],
}
POOL = {model: dict(zip("abcde", values, strict=True)) for model, values in TABLE.items()}


@pytest.mark.parametrize(
    ("ties", "margin", "classes"),
    [
        (Ties.STRICT, 0.0, "ae"),
        (Ties.ALLOW, 0.0, "abe"),
        (Ties.STRICT, 0.1, "e"),  # .9 - .8 is a tie at this margin
        (Ties.STRICT, 0.15, "e"),
        (Ties.ALLOW, 0.02, "abce"),  # .50 - .52 is a tie at this margin
        (Ties.ALLOW, 0.1, "abcde"),
    ],
)
def test_conditions(ties: Ties, margin: float, classes: str) -> None:
    """Strictness and margin decide as they are described, binary rounding notwithstanding."""
    assert consistent_classes(POOL, ties, margin) == Consistency(("mae", "moco", "dino"), tuple(classes))


def test_strict_condition_is_equation_8() -> None:
    """On random counts of 50 the classes are those that sorting by risk puts in the global order without ties."""
    rng = np.random.default_rng(0)
    correct = rng.integers(0, 51, size=(4, 300)) + np.array([[0], [3], [6], [9]])
    ids = [f"{index:03d}" for index in range(300)]
    pool = {f"m{row}": dict(zip(ids, (correct[row] / 60).tolist(), strict=True)) for row in range(4)}
    order = np.argsort(correct.sum(axis=1))
    expected = tuple(ids[index] for index in range(300) if (np.diff(correct[order, index]) > 0).all())
    assert consistent_classes(pool).class_ids == expected
    assert 0 < len(expected) < 150


def test_allowed_steps_down_do_not_add_up() -> None:
    """With a margin every pair of models must agree, so the best may not end below the worst by many small steps."""
    slope = {"x": [0.10, 0.5], "y": [0.09, 0.6], "z": [0.08, 0.7]}
    pool = {model: dict(zip("st", values, strict=True)) for model, values in slope.items()}
    assert consistent_classes(pool, Ties.ALLOW, 0.01).class_ids == ("t",)


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ({"a": POOL["mae"]}, "the pool has 1 model; .* at least 2"),
        ({"a": POOL["mae"], "b": dict(POOL["mae"]), "c": POOL["dino"]}, "'a' and 'b' do not differ: equal on every"),
        ({"a": {"x": 0.1, "y": 0.2}, "b": {"x": 0.2, "y": 0.1}}, r"do not differ: equal on average \(0.1500\)"),
    ],
)
def test_pools_without_an_order(pool: dict[str, dict[str, float]], words: str) -> None:
    """A pool that gives no order is refused by the names of its models."""
    with pytest.raises(InputError, match=words):
        consistent_classes(pool)


@pytest.mark.parametrize("margin", [-0.1, 1.0, float("nan")])
def test_bad_margin(margin: float) -> None:
    """A margin is a difference of accuracies."""
    with pytest.raises(InputError, match="is not an accuracy difference"):
        consistent_classes(POOL, margin=margin)


def test_draw_above_the_threshold_only() -> None:
    """More classes than T: M of them, by the seed; T or fewer: all."""
    ids = tuple(f"{index:03d}" for index in range(201))
    full = Consistency(("a", "b"), ids)
    drawn = [draw_consistent(full, 100, 200, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(one) == 100 and set(one) < set(ids) and list(one) == sorted(one) for one in drawn)
    assert draw_consistent(Consistency(("a", "b"), ids[:200]), 100, 200, 0) == ids[:200]


def test_every_consistent_class_can_be_drawn() -> None:
    """The draw is over all consistent classes."""
    full = Consistency(("a", "b"), tuple("abcdefgh"))
    assert set(itertools.chain(*(draw_consistent(full, 2, 4, seed) for seed in range(60)))) == set("abcdefgh")


def test_nothing_to_draw() -> None:
    """No consistent class, or a threshold that could leave too few, is an input error."""
    with pytest.raises(InputError, match="no class has the order a < b"):
        draw_consistent(Consistency(("a", "b"), ()), 10, 20, 0)
    with pytest.raises(InputError, match="threshold 5 is below the size 10"):
        draw_consistent(Consistency(("a", "b"), tuple("abcdefg")), 10, 5, 0)
