"""Intervals for a correlation over configs, given the seed noise of both sides; over the choice of configs see `bca`.

Why `seed_interval` is not a percentile bootstrap
-------------------------------------------------
The truth meant is the correlation between the configs' true means (over infinitely many seeds) on the subset and
on the full data. Coverage in per cent of nominal 95 % intervals for Pearson's correlation, 7 configs x 3 seeds, noise =
standard deviation of one run / of the true means, equal on both sides (600 grids a cell; 2000 in the last column):

    noise truth | percentile  variance x n/(n-1)  pooled normal  bias-corrected  this module
    0.1   .60   |    88.0          93.2               93.5            95.2          96.0
    0.1   .80   |    86.3          92.8               93.3            96.2          95.8
    0.1   .95   |    82.3          88.2               91.7            93.8          96.4
    0.3   .60   |    85.5          91.3               93.7            95.2          96.0
    0.3   .80   |    84.0          90.3               92.3            94.3          94.7
    0.3   .95   |    72.8          77.5               80.5            91.7          95.5
    0.6   .60   |    84.3          89.8               91.7            91.7          95.6
    0.6   .80   |    78.2          84.0               85.0            89.3          96.0
    0.6   .95   |    44.7          47.0               50.7            84.5          95.2

("bias-corrected" is Efron's BC on the pooled draw with a chi-square variance.) The plain bootstrap has two faults.
Three seeds yield 2/3 of the variance, which pooling or rescaling mends; and noise pulls the observed correlation
towards 0, and the resampled ones twice as far, which no spread around the observed means mends. `pivotal` takes the
noise out instead. It covers 94 to 98 % for truths .3 to 1 and noise .03 to .6, and 92 to 96 % when the configs'
noise differs by a log-normal factor of sigma 0.5, although it pools. Spearman's and Kendall's truths are discrete, and
with them no interval covers exactly: Spearman's covered 94 to 97 % at noise .3 and .6, 98 to 100 % at .1 and .03.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from dlth_bench.scoring.correlation import FloatArray, Statistic, check_statistic, correlate, rank_correlations
from dlth_bench.scoring.pivotal import draw_true_means, draw_truth
from dlth_bench.scoring.sides import Published, Side, Sides, check_same_configs, stack, summarise

DRAWS = 2000
"""Resamples behind every interval of a scorecard."""

# As many subsets at once as keep the draws in the processor's cache.
_SUBSETS_AT_ONCE = 16


@dataclass(frozen=True)
class Interval:
    """An interval for a correlation; both ends nan where the data cannot give one.

    Attributes:
        low: lower end, in [-1, 1].
        high: upper end, in [-1, 1].
        level: nominal coverage, e.g. 0.95.
    """

    low: float
    high: float
    level: float


def seed_interval(
    subset: ArrayLike | Published,
    reference: ArrayLike | Published,
    statistic: Statistic = "pearson",
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Interval for the correlation of the configs' true means, given the seed noise of both sides.

    A parametric resampling of the seeds with the noise variance pooled over the configs of a side, solved for the
    truth (see `pivotal` and the module's docstring). Always holds the observed correlation, so the covered
    probability is ``level`` or slightly more.

    Args:
        subset: (configs, seeds) accuracies, nan for a missing run; or `Published` numbers.
        reference: likewise, the same configs in the same order; seeds may differ in number.
        statistic: the correlation.
        level: nominal coverage, strictly between 0 and 1.
        draws: noise draws; 2000 give ends a Monte Carlo error of about 3 % of the interval's width.
        seed: of these draws.

    Returns:
        nan ends if a side has no config with two runs (its noise is unknown) or its means are constant.

    Raises:
        ValueError: on a wrong shape or level, fewer than 3 configs, a config without a run, unequal config counts.
    """
    check_statistic(statistic)
    check_level(level)
    check_draws(draws)
    left, right = summarise(subset, "subset"), summarise(reference, "reference")
    check_same_configs(left, right)
    ends = seed_intervals(stack([left]), right, level=level, draws=draws, seed=seed)[statistic][0]
    return Interval(float(ends[0]), float(ends[1]), level)


def seed_intervals(
    subsets: Sides, reference: Side, *, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Mapping[Statistic, FloatArray]:
    """`seed_interval` of many subsets and all statistics at once; all share one draw of standard noise.

    Returns:
        (subsets, 2) lower and upper ends by statistic; nan as in `seed_interval`.
    """
    names: tuple[Statistic, ...] = get_args(Statistic)
    ends = {name: np.full((len(subsets.means), 2), np.nan) for name in names}
    # All statistics are undefined where Pearson's is: on constant means.
    defined = ~np.isnan(correlate(subsets.means, reference.means)) & (subsets.dof > 0) & (reference.dof > 0)
    for start in range(0, int(defined.sum()), _SUBSETS_AT_ONCE):
        rows = np.flatnonzero(defined)[start : start + _SUBSETS_AT_ONCE]
        chosen = Sides(subsets.means[rows], subsets.error_variance[rows], subsets.dof[rows])
        truth = draw_truth(chosen, reference, draws, seed)
        ranks = rank_correlations(*draw_true_means(chosen, reference, truth, seed))
        for name, values in zip(names, (truth.correlation, *ranks), strict=True):
            observed = correlate(chosen.means, reference.means, name)
            low, high = _central(values, level)
            # Noise that happens to be small or large can push all draws to one side of a correlation near 1.
            ends[name][rows] = np.stack([np.fmin(low, observed), np.fmax(high, observed)], axis=1)
    return ends


def _central(values: FloatArray, level: float) -> FloatArray:
    """(2, subsets) ends of the central ``level`` of the draws (subsets, draws)."""
    # One of the draws rather than a value between two: a rank correlation between the possible ones means nothing.
    ends = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=1, method="inverted_cdf")
    return np.asarray(ends, dtype=np.float64)


def check_level(level: float) -> None:
    """Raise ValueError unless ``level`` is a coverage."""
    if not 0 < level < 1:
        raise ValueError(f"level: {level}, expected a number strictly between 0 and 1")


def check_draws(draws: int) -> None:
    """Raise ValueError unless there is a draw."""
    if draws < 1:
        raise ValueError(f"draws: {draws}, at least 1 is needed")
