"""Consistent samples: ERC's condition sample by sample, and a budget drawn from them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from made_dynamics import made

from dlth_bench.selection.erc import consistent_samples, draw
from dlth_bench.selection.policy import SampleRequest, Ties
from dlth_bench.selection.registry import choose, find_sample_policy
from dlth_bench.util.errors import InputError

PATTERNS = list(itertools.product((0.0, 1.0), repeat=3))
"""All that three configs can do to a sample; with the three patterns below they rank weak < middle < strong."""
MORE = [(0.0, 1.0, 1.0), (0.0, 0.0, 1.0), (0.0, 1.0, 1.0)]


def pool() -> dict[str, np.ndarray]:
    rows = np.array([*PATTERNS, *MORE]).T
    return dict(zip(("weak", "middle", "strong"), rows, strict=True))


def test_order_of_right_and_wrong() -> None:
    """A sample is consistent where no worse config is right while a better one is wrong."""
    found = consistent_samples(pool())
    assert found.order == ("weak", "middle", "strong")
    steps = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)]
    assert found.positions.tolist() == [PATTERNS.index(step) for step in steps] + [8, 9, 10]
    assert found.alike == 2


def test_strict_needs_every_config_to_be_better() -> None:
    """With means over seeds there are differences between all; a margin asks for larger ones."""
    accuracies = {"a": np.array([0.0, 0.2, 0.5]), "b": np.array([0.5, 0.3, 0.5]), "c": np.array([1.0, 0.4, 0.6])}
    assert consistent_samples(accuracies, Ties.STRICT).positions.tolist() == [0, 1]
    assert consistent_samples(accuracies, Ties.STRICT, 0.2).positions.tolist() == [0]
    assert consistent_samples(accuracies, Ties.ALLOW).positions.tolist() == [0, 1, 2]


def test_small_steps_down_do_not_add_up() -> None:
    """Within the margin from neighbour to neighbour is not enough: the best must not fall far behind the worst."""
    accuracies = {"a": np.array([0.50, 0.0]), "b": np.array([0.46, 0.5]), "c": np.array([0.42, 1.0])}
    assert consistent_samples(accuracies, Ties.ALLOW, 0.05).positions.tolist() == [1]


def test_a_pool_without_order() -> None:
    """One config, or two that are equally good, have no order to agree with."""
    with pytest.raises(InputError, match="the pool has 1 config"):
        consistent_samples({"a": np.ones(3)})
    with pytest.raises(InputError, match="'a' and 'b' have the same mean accuracy"):
        consistent_samples({"a": np.array([1.0, 0.0]), "b": np.array([0.0, 1.0])})


def test_budget_is_drawn_from_the_consistent() -> None:
    """Another seed gives another ticket of the same size; a budget that they cannot fill is refused."""
    found = consistent_samples(pool())
    tickets = {tuple(sorted(draw(found, 4, seed).tolist())) for seed in range(12)}
    assert len(tickets) > 4
    assert all(set(ticket) <= set(found.positions.tolist()) for ticket in tickets)
    with pytest.raises(InputError, match="only 7 samples are consistent with the order weak < middle < strong"):
        draw(found, 8, 0)


def test_seeds_of_a_config_are_averaged(tmp_path: Path) -> None:
    """Dynamics of one config count as one, by the share of its seeds that is right after the last epoch."""
    files = [
        made(tmp_path / "a0", [[1, 1, 1], [0, 0, 0]], config="a"),
        made(tmp_path / "a1", [[1, 1, 1], [0, 0, 1]], config="a", seed=1),
        made(tmp_path / "b0", [[0, 0, 0], [1, 1, 0]], config="b"),
    ]
    request = SampleRequest(files[0].samples, 2, (), tuple(files), ties=Ties.STRICT)
    answer = choose(find_sample_policy("consistent"), request)
    assert answer.ids == ("U+0041/face0", "U+0041/face1")
    assert answer.notes[0].startswith("2 of 3 samples are consistent with the order a < b")
