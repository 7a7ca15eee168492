"""The interval over configs: how other recipes of the same kind would rank."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.scoring.correlation import correlate, pearson
from dlth_bench.scoring.interval_over_configs import config_interval, config_intervals

CONFIGS = 7


@pytest.mark.parametrize("rho", [0.6, 0.9])
def test_config_interval_covers(rho: float) -> None:
    """The interval over configs holds the population's correlation about 95 times in 100 with only 7 configs."""
    rng = np.random.default_rng(10)
    hits = 0
    for grid in range(1000):
        x, noise = rng.standard_normal((2, CONFIGS))
        found = config_interval(x, rho * x + np.sqrt(1 - rho**2) * noise, draws=500, seed=grid)
        hits += found.low <= rho <= found.high
    assert 0.92 <= hits / 1000 <= 0.97


def test_config_interval_edges() -> None:
    """A perfect ranking of few configs is not sold as certainty about others; nor are equal means; 3 are too few."""
    ranked_alike = np.arange(7.0), np.arange(7.0) ** 2
    assert np.isnan(config_interval(*ranked_alike, "spearman").low)
    pearsons = config_interval(*ranked_alike)
    assert -1 <= pearsons.low < float(pearson(*ranked_alike)) < pearsons.high <= 1
    assert np.isnan(config_interval(np.ones(7), np.arange(7.0)).high)
    with pytest.raises(ValueError, match="at least 4"):
        config_interval([1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize("statistic", ["pearson", "spearman", "kendall"])
def test_resamples_are_of_configs(statistic) -> None:
    """Counting configs gives what drawing them with replacement gives, ties among the drawn included."""
    rng = np.random.default_rng(11)
    x, y = rng.standard_normal((2, CONFIGS))
    x[2] = x[5]
    picks = np.random.default_rng(3).integers(CONFIGS, size=(400, CONFIGS))
    drawn = np.sort(correlate(x[picks], y[picks], statistic))
    wide = config_interval(x, y, statistic, level=0.999999, draws=400, seed=3)
    assert wide.low == pytest.approx(drawn[0], abs=0.02)
    many = config_intervals(np.stack([y, x]), y, draws=400, seed=3)[statistic][1]
    one = config_interval(x, y, statistic, draws=400, seed=3)
    assert (one.low, one.high) == pytest.approx(tuple(many))
