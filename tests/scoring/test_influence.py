"""Leave-one-config-out influence."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from dlth_bench.scoring.correlation import leave_one_out


def test_each_entry_leaves_its_own_config_out() -> None:
    """Entry i is the correlation of all configs but i."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 7))
    expected = [scipy.stats.pearsonr(np.delete(x, i), np.delete(y, i)).statistic for i in range(7)]
    np.testing.assert_allclose(leave_one_out(x, y), expected, atol=1e-12)


def test_one_config_that_makes_the_trend_is_exposed() -> None:
    """A trend carried by one outlying recipe falls apart when that recipe is left out."""
    without = leave_one_out([1, 2, 1, 2, 9], [1, 1, 2, 2, 9])
    assert without[4] == pytest.approx(0.0, abs=1e-12)
    assert (without[:4] > 0.95).all()


def test_needs_four_configs() -> None:
    """Leaving one of three would leave two, whose correlation says nothing."""
    with pytest.raises(ValueError, match="x has 3 configs"):
        leave_one_out([1, 2, 3], [1, 2, 3])
