"""A subset next to random ones of its size: does choosing beat luck, and does it beat what its cost buys in luck?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dlth_bench.scoring.correlation import FloatArray, Statistic, correlate

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
