"""The noise ceiling, reliability and disattenuation."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.scoring.ceiling import disattenuated, noise_ceiling, reliability
from dlth_bench.scoring.correlation import pearson, spearman
from dlth_bench.scoring.sides import Published


def test_ceiling_is_what_replicates_reach() -> None:
    """Averaged over references, the ceiling is the correlation that real replicates of the full data show."""
    rng = np.random.default_rng(0)
    for statistic, correlation in (("pearson", pearson), ("spearman", spearman)):
        truth = rng.standard_normal((600, 1, 7, 1))
        runs = truth + 0.4 * rng.standard_normal((600, 2, 7, 3))
        means = runs.mean(-1)
        reached = correlation(means[:, 0], means[:, 1]).mean()
        estimated = np.mean([noise_ceiling(pair[0], statistic, draws=200) for pair in runs])
        assert reached < 0.96
        assert estimated == pytest.approx(reached, abs=0.02)


def test_ceiling_follows_the_formula_and_the_seed_counts() -> None:
    """With small noise it is true / sqrt((true + run/k)(true + run/k')), so more seeds lift it."""
    numbers = Published(np.arange(12.0), np.full(12, 1.0), seeds=3)
    true = 13.0 - 1 / 3
    for first, second in ((3, 3), (1, 1), (5, 1)):
        expected = true / np.sqrt((true + 1 / first) * (true + 1 / second))
        assert noise_ceiling(numbers, seeds=first, other_seeds=second) == pytest.approx(expected, abs=0.006)
    assert noise_ceiling(numbers) == noise_ceiling(numbers, seeds=3, other_seeds=3)


def test_ceiling_at_the_extremes() -> None:
    """Without noise it is 1, with noise alone about 0, and with single runs or equal means unknown."""
    assert noise_ceiling(Published(np.arange(5.0), np.zeros(5))) == pytest.approx(1.0)
    assert noise_ceiling(Published(np.arange(5.0), np.full(5, 100.0))) == pytest.approx(0.0, abs=0.03)
    assert np.isnan(noise_ceiling(np.arange(5.0)[:, None]))
    assert np.isnan(noise_ceiling(np.tile([1.0, 2.0, 3.0], (5, 1))))
    with pytest.raises(ValueError, match="other_seeds: 0"):
        noise_ceiling(Published(np.arange(5.0), np.ones(5)), other_seeds=0)


def test_reliability_is_one_less_the_share_of_noise() -> None:
    """Observed variance 2.5 with error variance 2 / 4 leaves a reliability of 0.8; it never leaves [0, 1]."""
    assert reliability(Published(np.arange(5.0), np.full(5, np.sqrt(2)), seeds=4)) == pytest.approx(0.8)
    assert reliability(Published(np.arange(5.0), np.full(5, 9.0))) == 0.0
    assert reliability(Published(np.arange(5.0), np.zeros(5))) == 1.0
    assert np.isnan(reliability(np.arange(5.0)[:, None]))


def test_reliability_counts_the_runs_there_are() -> None:
    """Within-config variances are pooled by degrees of freedom, and a missing run raises the error variance."""
    runs = np.array([[0.0, 2.0, np.nan], [3.0, 4.0, 5.0], [9.0, np.nan, np.nan]])
    pooled = (2.0 + 2.0) / 3
    error = pooled * (1 / 2 + 1 / 3 + 1) / 3
    assert reliability(runs) == pytest.approx(1 - error / np.var([1.0, 4.0, 9.0], ddof=1))


def test_disattenuation_recovers_the_noiseless_correlation() -> None:
    """Spearman's 1904 formula undoes the noise on long vectors, is clipped, and is undefined without reliability."""
    rng = np.random.default_rng(4)
    truth = rng.standard_normal((2000, 1))
    other = 0.7 * truth + np.sqrt(1 - 0.49) * rng.standard_normal((2000, 1))
    a, b = (side + rng.standard_normal((2000, 3)) for side in (truth, other))
    observed = float(pearson(a.mean(1), b.mean(1)))
    assert observed < 0.6
    assert disattenuated(observed, reliability(a), reliability(b)) == pytest.approx(0.7, abs=0.03)
    assert disattenuated(0.9, 0.5, 0.9) == 1.0
    assert disattenuated(-0.9, 0.5, 0.9) == -1.0
    assert np.isnan(disattenuated(0.5, 0.0, 1.0))
    assert np.isnan(disattenuated(0.5, float("nan"), 1.0))
    with pytest.raises(ValueError, match=r"reliability_b: 1\.2"):
        disattenuated(0.5, 1.0, 1.2)
