"""What seed noise alone allows: the noise ceiling, reliability, and correlations freed from noise.

All three split the observed variance of the configs' means (ddof = 1) into the true one and noise:
observed = true + run variance / seeds in expectation, hence true = max(0, observed - run variance / seeds).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dlth_bench.scoring.correlation import FloatArray, Statistic, check_statistic, correlate
from dlth_bench.scoring.sides import Published, Side, summarise


def noise_ceiling(
    reference: ArrayLike | Published,
    statistic: Statistic = "pearson",
    *,
    seeds: float | None = None,
    other_seeds: float | None = None,
    draws: int = 4000,
    seed: int = 0,
) -> float:
    """The correlation to expect between two independent replicates of the full data.

    A parametric simulation: the true means are the observed ones shrunk towards their mean by
    sqrt(true variance / observed variance), so that their variance is the unbiased estimate of the true one; each
    replicate adds normal noise of variance run variance / seeds; the correlations are averaged. For Pearson's it is
    close to true / sqrt((true + run / seeds) (true + run / other_seeds)). Estimated from 7 configs x 3 seeds it is on
    average within .01 of what replicates reach when a run's noise is a fifth of the spread over configs, and .02 too
    low when it is three fifths.

    Args:
        reference: (configs, seeds) full-data accuracies, nan for a missing run; or `Published` numbers.
        statistic: the correlation.
        seeds: runs behind each mean of the one replicate; the reference's own by default.
        other_seeds: runs behind each mean of the other replicate (give the subset's); ``seeds`` by default.
        draws: simulated pairs of replicates.
        seed: of the simulation.

    Returns:
        In [-1, 1]: 1 without noise, about 0 if the spread over configs is no larger than noise explains;
        nan if the noise is unknown (no config has two runs) or the means are constant.

    Raises:
        ValueError: on a wrong shape, fewer than 3 configs, a config without a run, seeds that are not positive.
    """
    check_statistic(statistic)
    side = summarise(reference, "reference")
    first = side.seeds if seeds is None else seeds
    second = first if other_seeds is None else other_seeds
    for name, count in (("seeds", first), ("other_seeds", second), ("draws", draws)):
        if not count > 0:
            raise ValueError(f"{name}: {count}, expected a positive number")
    if math.isnan(side.run_variance) or math.isnan(float(correlate(side.means, side.means, statistic))):
        return math.nan
    rng = np.random.default_rng(seed)
    true_means = _shrunk_means(side)
    size = (draws, len(true_means))
    one = true_means + rng.standard_normal(size) * math.sqrt(side.run_variance / first)
    other = true_means + rng.standard_normal(size) * math.sqrt(side.run_variance / second)
    return float(np.mean(correlate(one, other, statistic)))


def reliability(scores: ArrayLike | Published) -> float:
    """The share of the variance over configs that is not seed noise: true variance / observed variance.

    Args:
        scores: (configs, seeds) accuracies, nan for a missing run; or `Published` numbers.

    Returns:
        In [0, 1]; nan if the noise is unknown (no config has two runs) or the means are constant.

    Raises:
        ValueError: on a wrong shape, fewer than 3 configs, a config without a run.
    """
    return reliability_of(summarise(scores, "scores"))


def reliability_of(side: Side) -> float:
    """`reliability` of a side that is summarised already."""
    # The correlation of a vector with itself is nan exactly when it is constant within rounding.
    if math.isnan(side.run_variance) or math.isnan(float(correlate(side.means, side.means))):
        return math.nan
    spread = float(side.means.var(ddof=1))  # 0 also where squares are too small for a float
    return max(0.0, 1.0 - side.error_variance / spread) if spread else math.nan


def disattenuated(rho: float, reliability_a: float, reliability_b: float) -> float:
    """The correlation that noiseless sides would show: rho / sqrt(reliability_a * reliability_b) (Spearman 1904).

    Args:
        rho: observed Pearson correlation in [-1, 1]; the formula is not meant for rank correlations.
        reliability_a: of the one side, in [0, 1]; likewise ``reliability_b``.
        reliability_b: of the other side.

    Returns:
        Clipped to [-1, 1]; nan if a reliability is 0 or any argument is nan.

    Raises:
        ValueError: if an argument lies outside its range.
    """
    for name, value, least in (
        ("rho", rho, -1),
        ("reliability_a", reliability_a, 0),
        ("reliability_b", reliability_b, 0),
    ):
        if value < least or value > 1:
            raise ValueError(f"{name}: {value}, expected a number from {least} to 1")
    attenuation = math.sqrt(reliability_a * reliability_b)
    if attenuation == 0 or math.isnan(attenuation) or math.isnan(rho):
        return math.nan
    return min(1.0, max(-1.0, rho / attenuation))


def _shrunk_means(side: Side) -> FloatArray:
    centre = side.means.mean()
    shrunk: FloatArray = centre + math.sqrt(reliability_of(side)) * (side.means - centre)
    return shrunk
