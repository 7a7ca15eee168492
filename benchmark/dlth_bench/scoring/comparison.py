"""Submissions against each other, all pairs tested at once, and against random subsets of their size.

Two subsets are compared with the same reference, so its noise is shared and cancels in part: what is resampled is the
difference of the two correlations, not each alone. Two 95 % intervals may overlap while the difference is clear, and
among many pairs some seem clear by luck. Both are dealt with by the max-T method (Westfall & Young 1993): a pair
differs if its standardised difference exceeds what the largest of all standardised differences exceeds one time in 20.

Measured on 6 subsets of one true correlation (.6, .8 or .95 for Pearson's, .96 or 1 for Spearman's; 7 configs x 3
seeds, noise .1, .3 and .6 of the spread over configs): some pair was called different on 0 to 5.5 % of 200 to 400
simulated boards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dlth_bench.scoring.correlation import FloatArray, Statistic, check_statistic, correlate, rank_correlations
from dlth_bench.scoring.interval_over_seeds import DRAWS, check_draws, check_level, draw_true_means, draw_truth
from dlth_bench.scoring.sides import Side, Sides

# Bounds the memory of the differences between one subset and all others to some tens of megabytes.
_PAIRS_AT_ONCE = 500


def correlation_draws(
    subsets: Sides, reference: Side, statistic: Statistic = "spearman", *, draws: int = DRAWS, seed: int = 0
) -> FloatArray:
    """Draws of the true correlations of several subsets that share the reference's noise, and nothing else.

    Args:
        subsets: stacked; likewise ``reference``, the same configs in the same order.
        statistic: the correlation.
        draws: how many.
        seed: of the noise.

    Returns:
        (subsets, draws); a row is nan if the subset's noise or correlation is unknown, all if the reference's is.

    Raises:
        ValueError: on an unknown statistic or no draws.
    """
    check_statistic(statistic)
    check_draws(draws)
    found = np.full((len(subsets.means), draws), np.nan)
    rows = np.flatnonzero((subsets.dof > 0) & (np.ptp(subsets.means, axis=1) > 0))
    if not len(rows) or not reference.dof > 0 or not np.ptp(reference.means) > 0:
        return found
    known = Sides(subsets.means[rows], subsets.error_variance[rows], subsets.dof[rows])
    truth = draw_truth(known, reference, draws, seed, independent=True)
    if statistic == "pearson":
        found[rows] = truth.correlation
    else:
        ranks = rank_correlations(*draw_true_means(known, reference, truth, seed, independent=True))
        found[rows] = ranks[0] if statistic == "spearman" else ranks[1]
    return found


def separated(draws: FloatArray, *, level: float = 0.95) -> NDArray[np.bool_]:
    """Which pairs of subsets differ, with at most 1 - ``level`` chance that any pair is called different wrongly.

    Args:
        draws: (subsets, draws) true correlations, see `correlation_draws`; a row of nan differs from none.
        level: of all comparisons together.

    Returns:
        (subsets, subsets) entry (i, j) says that i's correlation is the larger one.

    Raises:
        ValueError: on a wrong level.
    """
    check_level(level)
    count = len(draws)
    known = np.flatnonzero(~np.isnan(draws).any(1))
    one, other = (known[side] for side in np.triu_indices(len(known), 1))
    means, stds, doubt = np.empty(len(one)), np.empty(len(one)), np.empty(len(one))
    largest = np.zeros(draws.shape[1])
    for start in range(0, len(one), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        differences = draws[one[some]] - draws[other[some]]
        means[some], stds[some] = differences.mean(1), differences.std(1)
        doubt[some] = np.minimum((differences <= 0).mean(1), (differences >= 0).mean(1))
        spread = np.where(stds[some] > 0, stds[some], np.inf)[:, None]
        np.maximum(largest, (np.abs(differences - means[some, None]) / spread).max(0), out=largest)
    bound = np.quantile(largest, level)
    # A rank correlation takes few values: many draws may show no difference at all, however small their spread is.
    clear = (np.abs(means) > bound * stds) & (doubt <= (1 - level) / 2)
    better = np.zeros((count, count), dtype=bool)
    better[one, other], better[other, one] = clear & (means > 0), clear & (means < 0)
    return better


ENOUGH = 19
"""Random subsets needed before one that beats them all does so with a p-value of .05 = 1 / (19 + 1)."""

_MOST_COMBINATIONS = 2000
_SAME = 1e-9


@dataclass(frozen=True)
class AmongRandom:
    """A correlation among those of random subsets of the same size.

    Attributes:
        count: how many random subsets there are.
        percentile: share of them, in per cent, that do worse; ties count half.
        effect: standard deviations above their mean; None with fewer than two, or if they are all alike.
        p_value: chance that a further random subset does as well: (1 + those that do) / (1 + all).
        more: random subsets missing before a percentile can be called significant.
    """

    count: int
    percentile: float
    effect: float | None
    p_value: float
    more: int


def among_random(value: float, others: Sequence[float]) -> AmongRandom | None:
    """Place a correlation among those of random subsets; None if there are none.

    Args:
        value: correlation of the subset.
        others: correlations of random subsets, the subset itself not among them.
    """
    if not others:
        return None
    found = np.asarray(others, dtype=np.float64)
    same = np.abs(found - value) <= _SAME
    worse = int(((found < value) & ~same).sum())
    spread = float(found.std(ddof=1)) if len(found) > 1 else 0.0
    return AmongRandom(
        count=len(found),
        percentile=100 * (worse + 0.5 * int(same.sum())) / len(found),
        effect=(value - float(found.mean())) / spread if spread > _SAME else None,
        p_value=(1 + len(found) - worse) / (1 + len(found)),
        more=max(0, ENOUGH - len(found)),
    )


def averaged_correlation(
    random_means: FloatArray, reference: FloatArray, together: int, statistic: Statistic = "spearman"
) -> float | None:
    """The correlation to expect when accuracies are averaged over several random subsets.

    What else one could buy for the cost of a well-chosen subset: train on ``together`` random ones and average.

    Args:
        random_means: (random subsets, configs) mean accuracies.
        reference: (configs,) full-data means.
        together: random subsets averaged at a time.
        statistic: the correlation.

    Returns:
        the mean over all choices of ``together`` of the random subsets (over 2000 random ones if there are more);
        None if there are fewer subsets, or every correlation is undefined.
    """
    count = len(random_means)
    if not 1 <= together <= count:
        return None
    if math.comb(count, together) <= _MOST_COMBINATIONS:
        chosen = np.array(list(combinations(range(count), together)))
    else:
        everyone = np.tile(np.arange(count), (_MOST_COMBINATIONS, 1))
        chosen = np.random.default_rng(0).permuted(everyone, axis=1)[:, :together]
    found = correlate(random_means[chosen].mean(1), reference, statistic)
    known = found[np.isfinite(found)]
    return float(known.mean()) if len(known) else None


def affordable(selection: float, training: float, random_training: float) -> int:
    """How many random subsets could be trained on for what selecting a subset and training on it cost.

    Args:
        selection: cost of choosing the subset, in any unit of cost; likewise the others.
        training: cost of all its runs.
        random_training: mean cost of all runs on one random subset.
    """
    if not random_training > 0:
        return 0
    return math.floor((selection + training) / random_training + 1e-6)
