"""A subset among random ones of its size."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from dlth_bench.scoring.comparison import affordable, among_random, averaged_correlation
from dlth_bench.scoring.correlation import spearman


def test_percentile_effect_and_what_is_missing() -> None:
    """Ties count half; the effect is in standard deviations; a p-value of .05 takes 19 random subsets."""
    found = among_random(0.8, [0.5, 0.6, 0.8, 0.9])
    assert found is not None
    assert (found.count, found.percentile, found.more) == (4, 62.5, 15)
    assert found.effect == pytest.approx((0.8 - 0.7) / np.std([0.5, 0.6, 0.8, 0.9], ddof=1))
    assert found.p_value == pytest.approx(3 / 5)
    best = among_random(0.95, np.linspace(0, 0.9, 19).tolist())
    assert best is not None
    assert (best.percentile, best.p_value, best.more) == (100.0, 0.05, 0)


def test_too_few_have_no_effect() -> None:
    """One random subset has no spread, and equal ones none to measure by; without any there is nothing to say."""
    for others in ([0.5], [0.5, 0.5]):
        found = among_random(0.8, others)
        assert found is not None
        assert found.effect is None
    assert among_random(0.8, []) is None


def test_averaging_random_subsets() -> None:
    """The expected correlation of averaged accuracies is the mean over all choices."""
    rng = np.random.default_rng(0)
    full = rng.standard_normal(7)
    tables = full + rng.standard_normal((5, 7))
    pairs = [spearman(tables[list(pair)].mean(0), full) for pair in combinations(range(5), 2)]
    assert averaged_correlation(tables, full, 2) == pytest.approx(np.mean(pairs))
    assert averaged_correlation(tables, full, 6) is None
    many = full + rng.standard_normal((30, 7))
    found = averaged_correlation(many, full, 10)
    assert found is not None
    assert found > float(np.mean(spearman(many, full)))


def test_what_a_budget_buys() -> None:
    """Selection that costs twice a training run would have paid for three random subsets."""
    assert affordable(2.0, 1.0, 1.0) == 3
    assert affordable(0.0, 1.0, 1.0) == 1
    assert affordable(0.0, 0.5, 1.0) == 0
    assert affordable(1.0, 1.0, 0.0) == 0
