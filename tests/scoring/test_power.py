"""Power: more seeds and more configs resolve more, and the error rate is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.scoring.power import power_of_configs, power_of_seeds
from dlth_bench.scoring.sides import Published, summarise

REFERENCE = summarise(Published(np.linspace(0.3, 0.9, 7), np.full(7, 0.01), seeds=3), "reference")


def test_more_seeds_find_more() -> None:
    """With little noise a difference is found nearly always, with much seldom, with more seeds more often."""
    few, many = power_of_seeds(REFERENCE, 0.9, 0.7, iter((2, 20)), subset_std=0.1, experiments=60)
    assert few.share < many.share
    (clear,) = power_of_seeds(REFERENCE, 0.9, 0.7, iter((3,)), subset_std=0.005, experiments=30)
    assert clear.share > 0.9
    assert (few.count, few.error) == (2, pytest.approx((few.share * (1 - few.share) / 60) ** 0.5))


def test_no_difference_is_seldom_found() -> None:
    """Without a difference, a one-sided finding at 95 % happens about one time in forty."""
    (found,) = power_of_seeds(REFERENCE, 0.8, 0.8, iter((3,)), subset_std=0.02, experiments=150)
    assert found.share <= 0.07
    (configs,) = power_of_configs(0.8, 0.8, iter((30,)))
    assert configs.share == pytest.approx(0.025, abs=0.01)


def test_configs_and_noise() -> None:
    """More configs find more; noise takes power away."""
    few, many = power_of_configs(0.9, 0.7, iter((7, 50)))
    assert few.share < 0.5 < many.share
    (noisy,) = power_of_configs(0.9, 0.7, iter((50,)), subset_reliability=0.5)
    assert noisy.share < many.share
