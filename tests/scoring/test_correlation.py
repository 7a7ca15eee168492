"""Correlations: equal to scipy's, and invariant where the definitions say so."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dlth_bench.scoring.correlation import correlate, kendall_tau_b, pearson, spearman

# Table 13 of the Data Lottery Ticket Hypothesis paper (AGNews, configs C1 to C4): accuracies and the printed rho_p.
TABLE_13_FULL = (0.91, 0.905, 0.896, 0.909)
TABLE_13 = {
    "RS-0": ((0.864, 0.862, 0.862, 0.863), 0.7643),
    "RS-1": ((0.863, 0.867, 0.863, 0.871), 0.4368),
    "RS-2": ((0.863, 0.87, 0.859, 0.868), 0.5894),
    "RS-3": ((0.87, 0.868, 0.863, 0.864), 0.617),
    "RS-4": ((0.861, 0.862, 0.86, 0.867), 0.5548),
    "Lottery Ticket-0": ((0.871, 0.864, 0.863, 0.867), 0.8145),
    "Lottery Ticket-1": ((0.87, 0.865, 0.864, 0.871), 0.8633),
}
# Small integers, so that ties are common and maps of them are exact.
PAIRS = st.integers(3, 9).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-9, 9), min_size=n, max_size=n) for _ in range(2)])
)


@pytest.mark.parametrize("row", TABLE_13)
def test_table_13_of_the_paper_is_reproduced(row: str) -> None:
    """Our Pearson over configs is the paper's rho_p, to the decimals it can be checked to."""
    accuracies, rho = TABLE_13[row]
    assert float(pearson(TABLE_13_FULL, accuracies)) == pytest.approx(rho, abs=5e-5)


@pytest.mark.parametrize(
    ("ours", "oracle"),
    [(pearson, scipy.stats.pearsonr), (spearman, scipy.stats.spearmanr), (kendall_tau_b, scipy.stats.kendalltau)],
)
@pytest.mark.parametrize("levels", [3, 1000])
def test_equal_to_scipy_with_and_without_ties(ours, oracle, levels) -> None:
    """The three correlations are the textbook's, ties included, for every vector of a batch."""
    rng = np.random.default_rng(1)
    for configs in (3, 4, 7, 12):
        x, y = rng.integers(levels, size=(2, 20, configs)).astype(float)
        x[:, 0] += levels  # neither side constant
        y[:, 1] += levels
        np.testing.assert_allclose(ours(x, y), [oracle(a, b).statistic for a, b in zip(x, y, strict=True)], atol=1e-12)


def test_leading_axes_broadcast() -> None:
    """One reference can be compared with thousands of resamples in one call."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal(5), rng.standard_normal((2, 3, 5))
    for statistic in ("pearson", "spearman", "kendall"):
        together = correlate(x, y, statistic)
        assert together.shape == (2, 3)
        assert together[1, 2] == pytest.approx(float(correlate(x, y[1, 2], statistic)), abs=1e-15)


@given(PAIRS, st.integers(1, 5), st.integers(-50, 50))
def test_affine_maps_change_at_most_the_sign(pair, scale, shift) -> None:
    """Reporting accuracy in per cent, or error instead of accuracy, changes no correlation but its sign."""
    x, y = np.array(pair, dtype=float)
    for statistic in ("pearson", "spearman", "kendall"):
        rho = correlate(x, y, statistic)
        np.testing.assert_allclose(correlate(scale * x + shift, y, statistic), rho, atol=1e-12)
        np.testing.assert_allclose(correlate(x, shift - scale * y, statistic), -rho, atol=1e-12)


@given(PAIRS)
def test_symmetric_bounded_and_blind_to_config_order(pair) -> None:
    """It matters neither which side is the reference nor how a protocol lists its configs."""
    x, y = np.array(pair, dtype=float)
    for statistic in ("pearson", "spearman", "kendall"):
        rho = correlate(x, y, statistic)
        assert np.isnan(rho) == (len(set(pair[0])) == 1 or len(set(pair[1])) == 1)
        assert np.isnan(rho) or -1 <= rho <= 1
        np.testing.assert_allclose(correlate(y, x, statistic), rho, atol=1e-12)
        np.testing.assert_allclose(correlate(x[::-1], y[::-1], statistic), rho, atol=1e-12)


@given(PAIRS)
def test_rank_statistics_see_only_the_order(pair) -> None:
    """Spearman and Kendall do not change under a monotone map of the accuracies."""
    x, y = np.array(pair, dtype=float)
    for statistic in (spearman, kendall_tau_b):
        np.testing.assert_allclose(statistic(x**3, np.exp(y / 4)), statistic(x, y), atol=1e-12)


def test_a_constant_vector_has_no_correlation() -> None:
    """Equal accuracies give nan and no warning, even if their mean is off by rounding."""
    for statistic in ("pearson", "spearman", "kendall"):
        assert np.isnan(correlate([0.1, 0.1, 0.1], [1.0, 2.0, 3.0], statistic))
        assert np.isnan(correlate([1.0, 2.0, 3.0], [76.3, 76.3, 76.3], statistic))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "x: 2 configs"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0], "x has 3 configs but y has 4"),
        ([1.0, 2.0, 3.0], [1.0, float("nan"), 3.0], r"y: value at index \[1\] is not finite"),
        (1.0, [1.0, 2.0, 3.0], "x: expected at least 1 axes"),
    ],
)
def test_bad_vectors_are_named(x, y, message) -> None:
    """The error says which vector is wrong and how."""
    with pytest.raises(ValueError, match=message):
        pearson(x, y)


def test_unknown_statistic_lists_the_known() -> None:
    """A misspelt statistic is answered with the valid names."""
    with pytest.raises(ValueError, match="'tau'; known are pearson, spearman, kendall"):
        correlate([1, 2, 3], [1, 2, 3], "tau")  # type: ignore[arg-type]


def test_scoring_stays_light() -> None:
    """Scoring needs neither torch nor the slow `scipy.stats`, so `score` starts at once."""
    modules = "ceiling comparison correlation decisions interval_over_configs interval_over_seeds score"
    imports = "; ".join(f"import dlth_bench.scoring.{name}" for name in modules.split())
    program = f"import sys; {imports}; print([m for m in ('torch', 'scipy.stats', 'pandas') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
