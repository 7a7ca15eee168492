"""The interval of the true correlation over seeds, from draws of it that agree with the noisy means.

A generalised pivotal quantity (Weerahandi 1993): invent the noise, keep the observation, solve for the truth.
Centre both sides' means over the configs. The observed vectors are true vectors plus noise in d = configs - 1
dimensions, and Pearson's correlation is the cosine of their angle. By rotation invariance only the true lengths and
the true angle matter, so each noise draw gives one equation

    cos(angle of (true reference + noise, true subset(angle) + noise)) = observed correlation

whose solution is one draw of the true angle. Unlike a bootstrap around the observed means, which adds noise to noise
and therefore pulls every replicate towards 0, this takes the noise out; and the truth may be exactly 1.

Each equation is one of scalars. The true reference lies along the first axis, the true subset in the plane of the
first two; of the other d - 2 dimensions only the part of the subset's noise along the reference's noise matters, and
the length of the rest. The reference's noise is drawn once, in the configs' own coordinates, and turned into the plane
that each subset spans with the reference: so draws for two subsets share the noise of the reference that both are
compared with, and can be subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from dlth_bench.scoring.correlation import (
    FloatArray,
    Statistic,
    check_statistic,
    correlate,
    pearson,
    rank_correlations,
    unit_scores,
)
from dlth_bench.scoring.sides import Published, Side, Sides, check_same_configs, stack, summarise

# The angle is known to pi / 2**26, about 5e-8, after this many halvings.
_HALVINGS = 26
# Least share of the observed spread that is taken for true spread: a floor against negative variances.
_LEAST_SPREAD = 0.05
# Keeps the true covariance invertible when a drawn correlation is exactly 1.
_LARGEST_CORRELATION = 1.0 - 1e-9
# Below this length a subset's direction across the reference is rounding; any direction across will do.
_PARALLEL = 1e-9


@dataclass(frozen=True, eq=False)
class TruthDraws:
    """Draws of what lies behind noisy sides.

    Attributes:
        correlation: (subsets, draws) true Pearson correlations over the configs.
        subset_error: (subsets, draws) error variances of the subsets' means.
        reference_error: (draws,) error variances of the reference's means.
    """

    correlation: FloatArray
    subset_error: FloatArray
    reference_error: FloatArray


def draw_truth(subsets: Sides, reference: Side, draws: int, seed: int, *, independent: bool = False) -> TruthDraws:
    """Draw true Pearson correlations that agree with the observed ones.

    Args:
        subsets: means that are not constant, with known noise (dof > 0); likewise ``reference``.
        reference: the other side, the same for all.
        draws: how many.
        seed: of the noise.
        independent: draw the noise of each subset anew, as comparing subsets with each other needs; else all share
            one draw, so that a subset's draws do not depend on what other subsets are there.
    """
    streams = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    configs, subset_count = len(reference.means), len(subsets.means)
    reference_error = _draw_error_variance(reference.error_variance, reference.dof, (draws,), streams[0])
    along, across, rest = _turned(subsets.means, reference.means, streams[0].standard_normal((draws, configs)))
    scale = np.sqrt(reference_error)
    fixed = (_true_length(reference.means, reference.error_variance) + scale * along, scale * across, scale * rest)
    noise = _SubsetNoise.draw(configs - 1, (subset_count if independent else 1, draws), streams[1])
    subset_error = np.empty((subset_count, draws))
    for dof in np.unique(subsets.dof):
        chosen = subsets.dof == dof
        rows = int(chosen.sum()) if independent else 1
        variance = subsets.error_variance[chosen, None]
        own = np.random.default_rng([seed, 2, int(dof) if np.isfinite(dof) else 0])
        subset_error[chosen] = _draw_error_variance(variance, float(dof), (rows, draws), own)
    observed = pearson(subsets.means, reference.means)
    length = _true_length(subsets.means, subsets.error_variance)
    return TruthDraws(_solve(fixed, noise, subset_error, length, observed), subset_error, reference_error)


@dataclass(frozen=True, eq=False)
class _SubsetNoise:
    """Standard noise of the subsets along the two axes of the plane, along the reference's rest, and what remains."""

    axes: FloatArray
    """(3, subsets or 1, draws)"""
    remainder: FloatArray
    """(subsets or 1, draws) squared length"""

    @classmethod
    def draw(cls, dimensions: int, size: tuple[int, int], rng: np.random.Generator) -> _SubsetNoise:
        axes = rng.standard_normal((3, *size))
        if dimensions == 2:  # the plane is all there is
            axes[2] = 0.0
        return cls(axes, rng.chisquare(dimensions - 3, size) if dimensions > 3 else np.zeros(size))


def _turned(subsets: FloatArray, reference: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Noise along the reference (draws,), across it towards each subset, and the rest's length (subsets, draws)."""
    first, second = unit_scores(reference, "pearson"), unit_scores(subsets, "pearson")
    second = second - (second @ first)[:, None] * first
    parallel = (second**2).sum(1) < _PARALLEL**2
    second[parallel] = _across(first)
    second /= np.sqrt((second**2).sum(1, keepdims=True))
    along, across = noise @ first, second @ noise.T
    squared = ((noise - noise.mean(1, keepdims=True)) ** 2).sum(1)
    return along, across, np.sqrt(np.maximum(squared - along**2 - across**2, 0.0))


def _across(direction: FloatArray) -> FloatArray:
    """Some centred vector that is orthogonal to a centred unit vector."""
    other = np.eye(len(direction))[int(np.abs(direction).argmin())]
    other = other - other.mean()
    across: FloatArray = other - (other @ direction) * direction
    return across


def _solve(
    fixed: tuple[FloatArray, FloatArray, FloatArray],
    noise: _SubsetNoise,
    error: FloatArray,
    length: FloatArray,
    observed: FloatArray,
) -> FloatArray:
    """(subsets, draws) cosines of the true angles, by bisection: the closer the truths, the closer what is observed."""
    along, across, rest = fixed
    one, two, three = noise.axes * np.sqrt(error)
    true = length[:, None]
    # Both sides of the equation, multiplied by the lengths so that a side of zero length does no harm:
    # a + b cos + c sin = g sqrt(p + q cos + r sin)
    a = along * one + across * two + rest * three
    b, c = true * along, true * across
    g = observed[:, None] * np.sqrt(along**2 + across**2 + rest**2)
    p = one**2 + two**2 + three**2 + error * noise.remainder + true**2
    q, r = 2 * true * one, 2 * true * two
    cos, sin = np.zeros_like(a), np.ones_like(a)
    left, right, product = np.empty_like(a), np.empty_like(a), np.empty_like(a)
    # In place: this loop is most of what a scorecard costs.
    for step in np.pi / 2.0 ** np.arange(2, _HALVINGS + 2):
        _affine(a, b, c, cos, sin, left, product)
        _affine(p, q, r, cos, sin, right, product)
        np.sqrt(np.maximum(right, 0.0, out=right), out=right)
        right *= g
        left -= right
        turn = np.copysign(np.sin(step), left, out=left)  # wider where the drawn truths are too close
        np.multiply(cos, turn, out=right)
        np.multiply(sin, turn, out=product)
        cos *= np.cos(step)
        cos -= product
        sin *= np.cos(step)
        sin += right
    cosines: FloatArray = np.clip(cos, -1.0, 1.0)
    return cosines


def _affine(
    constant: FloatArray,
    of_cos: FloatArray,
    of_sin: FloatArray,
    cos: FloatArray,
    sin: FloatArray,
    out: FloatArray,
    product: FloatArray,
) -> None:
    """out = constant + of_cos * cos + of_sin * sin"""
    np.multiply(of_cos, cos, out=out)
    np.multiply(of_sin, sin, out=product)
    out += product
    out += constant


def draw_true_means(
    subsets: Sides, reference: Side, truth: TruthDraws, seed: int, *, independent: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Draw true means of both sides, given draws of their correlation; for statistics that are not cosines.

    The configs' true means are taken as bivariate normal with the drawn correlation. Their variances are drawn as
    observed scatter / chi-square(configs - 1), less the noise, and at least a twentieth of the observed variance.
    Given these, the true means have the usual normal posterior: shrunk observed means plus what remains uncertain.

    Returns:
        two arrays (configs, subsets, draws), centred at 0: the subsets', and the reference's next to each of them.
    """
    shared, own = np.random.default_rng([seed, 3]), np.random.default_rng([seed, 4])
    rows, (count, draws) = len(subsets.means) if independent else 1, truth.correlation.shape
    x, y = reference.means - reference.means.mean(), subsets.means - subsets.means.mean(1, keepdims=True)
    configs = len(x)
    x_error, y_error = truth.reference_error, truth.subset_error
    x_spread = _draw_spread(x[None], x_error, shared.chisquare(configs - 1, (1, draws)))
    y_spread = _draw_spread(y, y_error, own.chisquare(configs - 1, (rows, draws)))
    both = np.clip(truth.correlation, -_LARGEST_CORRELATION, _LARGEST_CORRELATION) * np.sqrt(x_spread * y_spread)
    determinant = (x_spread + x_error) * (y_spread + y_error) - both**2
    determinant = np.where(determinant > 0, determinant, np.nan)  # 0 where spreads are too small to be squared
    # The posterior's mean is gain @ observed, its covariance gain @ error, with gain = true / (true + error).
    x_gain, y_gain = (x_spread * (y_spread + y_error) - both**2) / determinant, both * x_error / determinant
    y_from_x, y_from_y = both * y_error / determinant, (y_spread * (x_spread + x_error) - both**2) / determinant
    x_root = np.sqrt(np.maximum(x_gain * x_error, 0.0))
    shared_root = y_gain * y_error / np.where(x_root > 0, x_root, np.inf)
    y_root = np.sqrt(np.maximum(y_from_y * y_error - shared_root**2, 0.0))
    x_noise, y_noise = shared.standard_normal((configs, 1, draws)), own.standard_normal((configs, rows, draws))
    true_x, true_y = np.empty((configs, count, draws)), np.empty((configs, count, draws))
    for config in range(configs):  # one at a time stays in the processor's cache
        column = y[:, config, None]
        true_x[config] = x_gain * x[config] + y_gain * column + x_root * x_noise[config]
        true_y[config] = y_from_x * x[config] + y_from_y * column + shared_root * x_noise[config]
        true_y[config] += y_root * y_noise[config]
    return true_y, true_x


def _draw_spread(centred: FloatArray, error: FloatArray, chi_square: FloatArray) -> FloatArray:
    """(sides, draws) variances of the true means: what the scatter allows, less the noise, above a floor."""
    scatter = (centred**2).sum(-1)[..., None]
    floor = _LEAST_SPREAD * scatter / (centred.shape[-1] - 1)
    spread: FloatArray = np.maximum(scatter / chi_square - error, floor)
    return spread


def _draw_error_variance(
    variance: FloatArray | float, dof: float, size: tuple[int, ...], rng: np.random.Generator
) -> FloatArray:
    """Error variances s^2 * dof / chi-square(dof), since the noise is estimated from few runs too."""
    known = not np.isfinite(dof)
    factor = np.ones(size) if known else dof / rng.chisquare(dof, size)
    return np.asarray(variance * factor, dtype=np.float64)


def _true_length(means: FloatArray, error_variance: FloatArray | float) -> FloatArray:
    """Length of the centred true means: the observed squared length exceeds the true one by d error variances."""
    centred = means - means.mean(-1, keepdims=True)
    squared = (centred**2).sum(-1) - (means.shape[-1] - 1) * error_variance
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=np.float64)


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
