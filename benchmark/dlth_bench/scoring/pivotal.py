"""Draws of the true correlation, and of the true accuracies, that agree with noisy means.

A generalised pivotal quantity (Weerahandi 1993): invent the noise, keep the observation, solve for the truth.
Centre both sides' means over the configs. The observed vectors are true vectors plus noise in d = configs - 1
dimensions, and Pearson's correlation is the cosine of their angle. By rotation invariance only the true lengths and
the true angle matter, so each noise draw gives one equation

    cos(angle of (true x + noise, true y(angle) + noise)) = observed correlation

whose solution is one draw of the true angle. Unlike a bootstrap around the observed means, which adds noise to noise
and therefore pulls every replicate towards 0, this takes the noise out; and the truth may be exactly 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlth_bench.scoring.correlation import FloatArray, pearson
from dlth_bench.scoring.sides import Side

# The angle is known to pi / 2**50 after this many halvings.
_HALVINGS = 50
# Least share of the observed spread that is taken for true spread: a floor against negative variances.
_LEAST_SPREAD = 0.05
# Keeps the true covariance invertible when a drawn correlation is exactly 1.
_LARGEST_CORRELATION = 1.0 - 1e-9


@dataclass(frozen=True, eq=False)
class TruthDraws:
    """Draws of what lies behind two noisy sides.

    Attributes:
        correlation: (draws,) true Pearson correlations over the configs.
        subset_error: (draws,) error variances of the subset's means.
        reference_error: (draws,) error variances of the reference's means.
    """

    correlation: FloatArray
    subset_error: FloatArray
    reference_error: FloatArray


def draw_truth(subset: Side, reference: Side, draws: int, rng: np.random.Generator) -> TruthDraws:
    """Draw true Pearson correlations that agree with the observed one.

    Args:
        subset: means that are not constant, with known noise (dof > 0); likewise ``reference``.
        reference: the other side.
        draws: how many.
        rng: source of the noise.
    """
    observed = float(pearson(subset.means, reference.means))
    variance_x, variance_y = _draw_error_variance(subset, draws, rng), _draw_error_variance(reference, draws, rng)
    length_x, length_y = _true_length(subset), _true_length(reference)
    shape = (draws, len(subset.means) - 1)
    noisy_x = rng.standard_normal(shape) * np.sqrt(variance_x)[:, None]
    noise_y = rng.standard_normal(shape) * np.sqrt(variance_y)[:, None]
    noisy_x[:, 0] += length_x  # the true x lies along the first axis, the true y in the plane of the first two
    squared_x = (noisy_x**2).sum(1)
    low, high = np.zeros(draws), np.full(draws, np.pi)
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        noisy_y = noise_y.copy()
        noisy_y[:, 0] += length_y * np.cos(angle)
        noisy_y[:, 1] += length_y * np.sin(angle)
        # Compare without dividing: a side of zero length has no direction.
        too_close = (noisy_x * noisy_y).sum(1) > observed * np.sqrt(squared_x * (noisy_y**2).sum(1))
        low, high = np.where(too_close, angle, low), np.where(too_close, high, angle)
    return TruthDraws(np.cos((low + high) / 2), variance_x, variance_y)


def draw_true_means(
    subset: Side, reference: Side, truth: TruthDraws, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw true means of both sides, given draws of their correlation; for statistics that are not cosines.

    The configs' true means are taken as bivariate normal with the drawn correlation. Their variances are drawn as
    observed scatter / chi-square(configs - 1), less the noise, and at least a twentieth of the observed variance.
    Given these, the true means have the usual normal posterior: shrunk observed means plus what remains uncertain.

    Returns:
        two arrays (draws, configs), centred at 0.
    """
    draws, configs = len(truth.correlation), len(subset.means)
    centred = np.stack([subset.means - subset.means.mean(), reference.means - reference.means.mean()])
    scatter = (centred**2).sum(1)
    total = scatter[:, None] / rng.chisquare(configs - 1, (2, draws))
    floor = _LEAST_SPREAD * scatter[:, None] / (configs - 1)
    error = np.stack([truth.subset_error, truth.reference_error])
    spread = np.maximum(total - error, floor)
    rho = np.clip(truth.correlation, -_LARGEST_CORRELATION, _LARGEST_CORRELATION)
    true_cov = np.empty((draws, 2, 2))
    true_cov[:, 0, 0], true_cov[:, 1, 1] = spread
    true_cov[:, 0, 1] = true_cov[:, 1, 0] = rho * np.sqrt(spread[0] * spread[1])
    error_cov = np.zeros((draws, 2, 2))
    error_cov[:, 0, 0], error_cov[:, 1, 1] = error
    gain = true_cov @ np.linalg.inv(true_cov + error_cov)
    noise = rng.standard_normal((draws, 2, configs))
    means = gain @ centred + _square_root(gain @ error_cov) @ noise
    return means[:, 0], means[:, 1]


def _square_root(covariance: FloatArray) -> FloatArray:
    """(draws, 2, 2) lower Cholesky factors; unlike numpy's, they exist for a covariance of rank 1 or 0 too."""
    root = np.zeros_like(covariance)
    root[:, 0, 0] = np.sqrt(np.maximum(covariance[:, 0, 0], 0.0))
    positive = root[:, 0, 0] > 0
    root[positive, 1, 0] = covariance[positive, 1, 0] / root[positive, 0, 0]
    root[:, 1, 1] = np.sqrt(np.maximum(covariance[:, 1, 1] - root[:, 1, 0] ** 2, 0.0))
    return root


def _draw_error_variance(side: Side, draws: int, rng: np.random.Generator) -> FloatArray:
    """(draws,) error variances: s^2 * dof / chi-square(dof), since the noise is estimated from few runs too."""
    if not np.isfinite(side.dof):
        return np.full(draws, side.error_variance)
    return side.error_variance * side.dof / rng.chisquare(side.dof, draws)


def _true_length(side: Side) -> float:
    """Length of the centred true means: the observed squared length exceeds the true one by d error variances."""
    squared = float(((side.means - side.means.mean()) ** 2).sum()) - (len(side.means) - 1) * side.error_variance
    return float(np.sqrt(max(squared, 0.0)))
