"""Comparing subsets: equal ones are not told apart, clearly different ones are."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.scoring.comparison import correlation_draws, separated
from dlth_bench.scoring.sides import Side, Sides, stack, summarise

CONFIGS, SEEDS = 7, 3


def measured(truth: np.ndarray, noise: float, rng: np.random.Generator, name: str = "subset") -> Side:
    return summarise(truth[:, None] + noise * rng.standard_normal((CONFIGS, SEEDS)), name)


def board(correlations: list[float], noise: float, rng: np.random.Generator) -> tuple[Sides, Side]:
    """Subsets with these true Pearson correlations, and the reference."""
    full = rng.standard_normal(CONFIGS)
    full = (full - full.mean()) / full.std(ddof=1)
    subsets = []
    for rho in correlations:
        other = rng.standard_normal(CONFIGS)
        other -= other.mean()
        other -= full * (full @ other) / (full @ full)
        truth = rho * full + np.sqrt(1 - rho**2) * other / other.std(ddof=1)
        subsets.append(measured(truth, noise, rng))
    return stack(subsets), measured(full, noise, rng, "reference")


def wrong_share(rho: float, noise: float, boards: int) -> float:
    """Share of boards of six equally good subsets on which some pair is told apart."""
    rng = np.random.default_rng([int(100 * rho), int(100 * noise)])
    wrong = 0
    for index in range(boards):
        draws = correlation_draws(*board([rho] * 6, noise, rng), "pearson", draws=1000, seed=index)
        wrong += bool(separated(draws).any())
    return wrong / boards


def test_equal_subsets_are_not_told_apart() -> None:
    """Fifteen pairs are compared, and still a board of equals shows a winner about one time in twenty at most."""
    assert wrong_share(0.8, 0.1, 60) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
def test_family_wise_error(rho: float, noise: float) -> None:
    """The same for weak and strong trends, with little and with much noise."""
    assert wrong_share(rho, noise, 400) <= 0.075


@pytest.mark.parametrize("statistic", ["pearson", "spearman", "kendall"])
def test_different_subsets_are_told_apart(statistic) -> None:
    """A trend that holds is found to be better than one that is turned round, and never the other way."""
    subsets, reference = board([0.99, -0.9, 0.99], 0.05, np.random.default_rng(1))
    found = separated(correlation_draws(subsets, reference, statistic))
    assert found.tolist() == [[False, True, False], [False, False, False], [False, True, False]]


def test_shared_reference_noise_cancels() -> None:
    """The noise of a bad reference moves like subsets alike, so their difference is known better than each of them."""
    rng = np.random.default_rng(2)
    subsets, _ = board([0.7], 0.001, rng)
    truth = subsets.means[0]
    reference = measured(truth + 0.7 * rng.standard_normal(CONFIGS), 0.3, rng, "reference")
    alike = stack([measured(truth, 0.02, rng), measured(truth, 0.02, rng)])
    one, other = correlation_draws(alike, reference, "pearson")
    assert one.std() > 0.01
    assert (one - other).std() < 0.3 * np.hypot(one.std(), other.std())


def test_unknown_noise_is_compared_with_none() -> None:
    """A subset of single runs, or of equal accuracies, is neither better nor worse than anything."""
    rng = np.random.default_rng(3)
    subsets, reference = board([0.99, -0.9], 0.05, rng)
    means = np.vstack([subsets.means, np.zeros(CONFIGS), subsets.means[1]])
    error, dof = np.append(subsets.error_variance, [0.1, np.nan]), np.append(subsets.dof, [14.0, 0.0])
    draws = correlation_draws(Sides(means, error, dof), reference)
    assert np.isnan(draws[2:]).all()
    found = separated(draws)
    assert found[0, 1]
    assert not found[2:].any()
    assert not found[:, 2:].any()
    assert not separated(draws[2:]).any()
