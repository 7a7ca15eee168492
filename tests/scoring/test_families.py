"""Structure: a trend between families of methods is told from one within them."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.scoring.decisions import structure_scores

FAMILIES = ["moco"] * 3 + ["dino"] * 2 + ["mae"] * 2
FULL = np.array([0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9])


def test_trend_that_rests_on_families_is_found() -> None:
    """Families in order, members in reverse: pooled correlation is high, and nothing of it holds within a family."""
    between = np.array([0.3, 0.2, 0.1, 0.6, 0.5, 0.9, 0.8])
    found = structure_scores(np.stack([between, FULL]), FULL, FAMILIES)
    reverse, alike = found
    assert reverse is not None
    assert alike is not None
    assert reverse.rests_on_families is True
    assert reverse.within == pytest.approx(-1.0)
    assert reverse.between == pytest.approx(1.0)
    assert reverse.within_p == 1.0
    assert alike.rests_on_families is False
    assert alike.within_p == pytest.approx(1 / 24)  # of 3! 2! 2! orders, only the right one


def test_families_are_scored_alone() -> None:
    """Three configs have a correlation of their own, two have only an order."""
    subset = np.array([0.1, 0.3, 0.2, 0.6, 0.5, 0.8, 0.9])
    (found,) = structure_scores(subset[None], FULL, FAMILIES)
    assert found is not None
    moco, dino, mae = found.families
    assert (moco.family, moco.configs, moco.pairs_agreed, moco.pairs) == ("moco", 3, 2, 3)
    assert moco.spearman == pytest.approx(0.5)
    assert (dino.pearson, dino.pairs_agreed, dino.pairs) == (None, 0, 1)
    assert (mae.pearson, mae.pairs_agreed, mae.pairs) == (None, 1, 1)


@pytest.mark.parametrize("families", [["one"] * 7, list("abcdefg")])
def test_no_families_no_structure(families: list[str]) -> None:
    """One family, or seven of one config each, have nothing within and between to compare."""
    assert structure_scores(FULL[None], FULL, families) == [None]


def test_constant_families_are_unknown() -> None:
    """Equal accuracies within all families leave no trend to speak of, and no warning."""
    flat = np.array([0.2, 0.2, 0.2, 0.5, 0.5, 0.8, 0.8])
    (found,) = structure_scores(flat[None], FULL, FAMILIES)
    assert found is not None
    assert (found.within, found.within_p, found.rests_on_families) == (None, None, None)


def test_many_orders_are_sampled() -> None:
    """Two families of ten have more orders than can be listed; the p-value is then never zero."""
    full = np.arange(20.0)
    (found,) = structure_scores(full[None], full, ["a"] * 10 + ["b"] * 10)
    assert found is not None
    assert found.within_p == pytest.approx(1 / 20_000)
