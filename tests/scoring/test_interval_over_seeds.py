"""Intervals: they cover the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.scoring.correlation import correlate, pearson
from dlth_bench.scoring.interval_over_seeds import seed_interval
from dlth_bench.scoring.sides import Published

CONFIGS, SEEDS = 7, 3


def true_means(rho: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two vectors of true means with unit variance and exactly the correlation ``rho``."""
    reference, other = rng.standard_normal((2, CONFIGS))
    reference = (reference - reference.mean()) / reference.std(ddof=1)
    other -= other.mean()
    other -= reference * (reference @ other) / (reference @ reference)
    return rho * reference + np.sqrt(1 - rho**2) * other / other.std(ddof=1), reference


def coverage(rho: float, noise: float, grids: int, interval, statistic="pearson") -> float:
    """Share of simulated grids whose interval holds the correlation of the true means."""
    rng = np.random.default_rng([int(rho * 1000), int(noise * 1000)])
    hits = 0
    for grid in range(grids):
        subset, reference = true_means(rho, rng)
        runs = [side[:, None] + noise * rng.standard_normal((CONFIGS, SEEDS)) for side in (subset, reference)]
        low, high = interval(*runs, grid)
        hits += low - 1e-9 <= float(correlate(subset, reference, statistic)) <= high + 1e-9
    return hits / grids


def ours(subset, reference, seed, statistic="pearson"):
    found = seed_interval(subset, reference, statistic, draws=1000, seed=seed)
    return found.low, found.high


def percentile_bootstrap(subset, reference, seed):
    """What most would write: resample the seeds of each config, take percentiles."""
    rng = np.random.default_rng(seed)
    means = [
        np.take_along_axis(side[None], rng.integers(SEEDS, size=(1000, CONFIGS, SEEDS)), 2).mean(2)
        for side in (subset, reference)
    ]
    return np.quantile(pearson(*means), [0.025, 0.975])


def test_coverage_quick() -> None:
    """95 % means 95 %, where a plain percentile bootstrap holds the truth three times in four."""
    assert 0.93 <= coverage(0.95, 0.3, 300, ours) <= 0.98
    assert coverage(0.95, 0.3, 300, percentile_bootstrap) < 0.80


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
def test_coverage(rho: float, noise: float) -> None:
    """The interval over seeds covers 93 to 97 % for weak and strong trends, with little and with much noise."""
    assert 0.93 <= coverage(rho, noise, 1000, ours) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
def test_percentile_bootstrap_does_not_cover(rho: float, noise: float) -> None:
    """Why it is not used: nowhere on this grid does it cover what it claims, and it gets worse as trends get better."""
    assert coverage(rho, noise, 600, percentile_bootstrap) < 0.92
    if (rho, noise) == (0.95, 0.6):
        assert coverage(rho, noise, 600, percentile_bootstrap) < 0.55


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["spearman", "kendall"])
@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
def test_coverage_of_rank_statistics(statistic, noise: float) -> None:
    """Rank correlations are discrete, so their intervals may cover more than 95 %, but not less than 93 %."""
    assert coverage(0.8, noise, 600, lambda *runs: ours(*runs, statistic), statistic) >= 0.93


@pytest.fixture
def grid() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return tuple(side[:, None] + 0.2 * rng.standard_normal((CONFIGS, SEEDS)) for side in true_means(0.9, rng))


@pytest.mark.parametrize("statistic", ["pearson", "spearman", "kendall"])
def test_reproducible_bounded_and_nested(grid, statistic) -> None:
    """A seed fixes the interval; it lies in [-1, 1], holds the observed value, and widens with the level."""
    narrow, wide = (seed_interval(*grid, statistic, level=level, seed=1) for level in (0.5, 0.99))
    observed = float(correlate(grid[0].mean(1), grid[1].mean(1), statistic))
    assert -1 <= wide.low <= narrow.low <= observed <= narrow.high <= wide.high <= 1
    assert narrow == seed_interval(*grid, statistic, level=0.5, seed=1)


def test_units_and_sides_do_not_matter(grid) -> None:
    """Accuracies in per cent give the same interval as fractions, and the sides may be swapped."""
    here = seed_interval(*grid)
    scaled = seed_interval(100 * grid[0] + 5, grid[1])
    swapped = seed_interval(grid[1], grid[0])
    assert (scaled.low, scaled.high) == pytest.approx((here.low, here.high), abs=1e-7)
    assert (swapped.low, swapped.high) == pytest.approx((here.low, here.high), abs=0.03)


@pytest.mark.parametrize("statistic", ["pearson", "spearman", "kendall"])
def test_without_noise_the_interval_is_the_correlation(grid, statistic) -> None:
    """Numbers taken as exact leave no uncertainty over seeds."""
    exact = [Published(side.mean(1), np.zeros(CONFIGS)) for side in grid]
    found = seed_interval(*exact, statistic)
    observed = float(correlate(exact[0].means, exact[1].means, statistic))
    assert (found.low, found.high) == pytest.approx((observed, observed), abs=1e-7)


def test_a_subset_as_good_as_the_full_data_may_reach_one() -> None:
    """Two replicates of the same recipe grid have truth 1, and the interval can hold it."""
    rng = np.random.default_rng(8)
    means = true_means(0.0, rng)[0]
    runs = [means[:, None] + 0.2 * rng.standard_normal((CONFIGS, SEEDS)) for _ in range(2)]
    found = seed_interval(*runs)
    assert found.low > 0.8
    assert found.high == pytest.approx(1.0, abs=1e-7)


def test_noise_without_spread_says_nothing() -> None:
    """If noise explains all spread over configs, every correlation remains possible."""
    rng = np.random.default_rng(9)
    subset = np.tile([0.0, 1.0, 2.0], (CONFIGS, 1)) + 0.01 * rng.standard_normal((CONFIGS, SEEDS))
    found = seed_interval(subset, rng.standard_normal((CONFIGS, SEEDS)))
    assert found.high - found.low > 1.5


def test_published_numbers_stand_in_for_runs(grid) -> None:
    """A reference given as mean and std of three runs gives the interval of these runs."""
    reference = Published(grid[1].mean(1), grid[1].std(1, ddof=1), seeds=SEEDS)
    measured, published = seed_interval(*grid), seed_interval(grid[0], reference)
    assert (published.low, published.high) == pytest.approx((measured.low, measured.high), abs=1e-7)


def test_missing_runs_widen_the_interval(grid) -> None:
    """Holes are scored without inventing numbers; fewer runs mean a wider interval around the same means."""
    subset = np.repeat(grid[0].mean(1), SEEDS).reshape(CONFIGS, SEEDS) + np.array([-0.3, 0.0, 0.3])
    holes = subset.copy()
    holes[::2, [0, 2]] = np.nan
    full, holed = seed_interval(subset, grid[1]), seed_interval(holes, grid[1])
    assert holed.high - holed.low > full.high - full.low


def test_single_runs_have_no_interval(grid) -> None:
    """One run a config says nothing about noise, so neither end is a number."""
    found = seed_interval(grid[0][:, :1], grid[1])
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_bad_input_is_named(grid) -> None:
    """The error names the side and the config."""
    empty = grid[0].copy()
    empty[4] = np.nan
    with pytest.raises(ValueError, match="subset: config 4 has no run"):
        seed_interval(empty, grid[1])
    with pytest.raises(ValueError, match="subset has 6 configs but reference has 7"):
        seed_interval(grid[0][:6], grid[1])
    with pytest.raises(ValueError, match=r"reference: expected shape \(configs, seeds\)"):
        seed_interval(grid[0], grid[1][:, 0])
    with pytest.raises(ValueError, match="level: 95"):
        seed_interval(*grid, level=95)
    with pytest.raises(ValueError, match=r"reference.stds: config 0 has a negative std"):
        seed_interval(grid[0], Published(np.arange(7.0), -np.ones(7)))
    with pytest.raises(ValueError, match="subset: 2 configs"):
        seed_interval(grid[0][:2], grid[1][:2])
