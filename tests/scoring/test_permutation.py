"""The permutation test: exact for few configs, honest Monte Carlo beyond."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import scipy.stats

from dlth_bench.scoring.correlation import null_distribution, permutation_test


@pytest.mark.parametrize("statistic", ["pearson", "spearman", "kendall"])
def test_exact_p_value_equals_full_enumeration(statistic) -> None:
    """Up to 8 configs p is the plain share of orders that reach the observed correlation, ties included."""
    oracle = {"pearson": scipy.stats.pearsonr, "spearman": scipy.stats.spearmanr, "kendall": scipy.stats.kendalltau}
    x, y = np.array([3.0, 1.0, 4.0, 1.0, 5.0]), np.array([2.0, 7.0, 1.0, 8.0, 8.0])
    y = -y
    null = np.array([oracle[statistic](x, order).statistic for order in permutations(y)])
    test = permutation_test(x, y, statistic)
    assert test.exact
    assert test.orders == 120
    assert 0.05 < test.p_value < 0.95
    assert test.p_value == pytest.approx((null >= oracle[statistic](x, y).statistic - 1e-9).mean(), abs=1e-15)


def test_a_perfect_trend_has_the_least_p_value() -> None:
    """The best attainable p is 1 / n!, and a reversed trend has p = 1: the test is one-sided."""
    x = np.arange(8.0)
    assert permutation_test(x, x**2).p_value == 1 / 40320
    assert permutation_test(x, -x, "spearman").p_value == 1.0


def test_orders_tied_up_to_rounding_count() -> None:
    """With two equal accuracies every order has a twin that reaches the same correlation, whatever rounding says."""
    assert permutation_test([0.1, 0.2, 0.3, 0.7], [0.1 + 0.2, 0.3, 0.6, 0.9]).p_value == 2 / 24


def test_at_seven_configs_chance_reaches_two_thirds() -> None:
    """The board's warning is true: at n = 7 the null's 95th percentile of Spearman's rho is about .68."""
    null = null_distribution(np.arange(7), np.arange(7), "spearman")
    assert len(null) == 5040
    assert np.quantile(null, 0.95) == pytest.approx(0.68, abs=0.005)
    assert null.mean() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("statistic", ["pearson", "spearman"])
def test_monte_carlo_beyond_eight(statistic) -> None:
    """Beyond 8 configs the p-value is a seeded estimate that is never 0 and agrees with theory."""
    x = np.arange(12.0)
    perfect = permutation_test(x, x, statistic, samples=999, seed=3)
    assert not perfect.exact
    assert perfect.p_value == 1 / 1000
    y = np.array([2.0, 0.0, 1.0, 9.0, 4.0, 3.0, 11.0, 5.0, 6.0, 7.0, 10.0, 8.0])[::-1] * -1
    y[::2] += 3
    estimate = permutation_test(x, y, statistic, samples=50_000, seed=3)
    theory = {"pearson": scipy.stats.pearsonr, "spearman": scipy.stats.spearmanr}[statistic](
        x, y, alternative="greater"
    ).pvalue
    assert estimate.p_value == pytest.approx(theory, rel=0.15)
    assert estimate == permutation_test(x, y, statistic, samples=50_000, seed=3)


def test_a_constant_side_has_no_p_value() -> None:
    """Undefined correlation, undefined p: never a significant one."""
    assert np.isnan(permutation_test([1, 1, 1, 1], [1, 2, 3, 4]).p_value)


def test_bad_input_is_named() -> None:
    """Batches and empty samples are refused with the reason."""
    with pytest.raises(ValueError, match="x: expected 1 axes"):
        permutation_test(np.ones((2, 3)), [1, 2, 3])
    with pytest.raises(ValueError, match="samples: 0"):
        permutation_test(range(9), range(9), samples=0)
