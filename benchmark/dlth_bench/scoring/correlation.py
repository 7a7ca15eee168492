"""Correlations between two sets of per-config accuracies, vectorised over leading axes.

Written with numpy alone: importing ``scipy.stats`` costs more than half a second, and bootstrap and permutation
need the same statistic on thousands of short vectors at once.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Literal["pearson", "spearman", "kendall"]

MINIMUM_CONFIGS = 3
"""With two configs every correlation is +1, -1 or undefined."""

# A constant vector of decimals leaves a centred norm of some ulps, which must not be taken for a trend.
_CONSTANT_TOLERANCE = 1e-12


def as_configs(values: ArrayLike, name: str, *, ndim: int | None = None) -> FloatArray:
    """Check and convert accuracies whose last axis runs over configs.

    Args:
        values: (..., configs), finite.
        name: how errors call the array.
        ndim: the number of axes required, if any.

    Raises:
        ValueError: naming the array, on a wrong number of axes, fewer than 3 configs, or a nan or infinity.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or (ndim is not None and array.ndim != ndim):
        raise ValueError(f"{name}: expected {ndim or 'at least 1'} axes, got shape {array.shape}")
    if array.shape[-1] < MINIMUM_CONFIGS:
        raise ValueError(f"{name}: {array.shape[-1]} configs, a correlation needs at least {MINIMUM_CONFIGS}")
    if not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"{name}: value at index {first} is not finite")
    return array


def paired(x: ArrayLike, y: ArrayLike, *, ndim: int | None = None) -> tuple[FloatArray, FloatArray]:
    """Check that ``x`` and ``y`` (..., configs) run over the same number of configs.

    Raises:
        ValueError: see `as_configs`; also when the config counts differ.
    """
    first, second = as_configs(x, "x", ndim=ndim), as_configs(y, "y", ndim=ndim)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"x has {first.shape[-1]} configs but y has {second.shape[-1]}")
    return first, second


def pearson(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """Pearson's product-moment correlation over the last axis.

    Args:
        x: (..., configs); leading axes broadcast against those of ``y``.
        y: (..., configs).

    Returns:
        (...) in [-1, 1]; nan where either vector is constant (its direction is undefined).

    Raises:
        ValueError: see `paired`.
    """
    return _pearson(*paired(x, y))


def spearman(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """Spearman's rank correlation over the last axis: Pearson's on average ranks (Spearman 1904).

    Shapes, nan and errors as in `pearson`; only exactly equal values share a rank.
    """
    first, second = paired(x, y)
    return _pearson(_ranks(first), _ranks(second))


def kendall_tau_b(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """Kendall's tau-b over the last axis: concordant minus discordant pairs, corrected for ties (Kendall 1945).

    Shapes, nan and errors as in `pearson`.
    """
    first, second = paired(x, y)
    upper = np.triu_indices(first.shape[-1], 1)
    signs_x = np.sign(first[..., upper[0]] - first[..., upper[1]])
    signs_y = np.sign(second[..., upper[0]] - second[..., upper[1]])
    untied = np.sqrt(np.abs(signs_x).sum(-1) * np.abs(signs_y).sum(-1))
    return _ratio((signs_x * signs_y).sum(-1), untied)


def correlate(x: ArrayLike, y: ArrayLike, statistic: Statistic = "pearson") -> FloatArray:
    """The correlation named ``statistic``; shapes and errors as in `pearson`.

    Raises:
        ValueError: also on an unknown name, listing the known ones.
    """
    check_statistic(statistic)
    chosen = {"pearson": pearson, "spearman": spearman, "kendall": kendall_tau_b}[statistic]
    return chosen(x, y)


def check_statistic(statistic: str) -> None:
    """Raise ValueError, listing the known names, if ``statistic`` is not one of them."""
    known = get_args(Statistic)
    if statistic not in known:
        raise ValueError(f"unknown statistic {statistic!r}; known are {', '.join(known)}")


def average_ranks(values: ArrayLike) -> FloatArray:
    """Ranks 1..configs over the last axis, equal values sharing the mean of their ranks.

    Args:
        values: (..., configs), finite.

    Raises:
        ValueError: see `as_configs`.
    """
    return _ranks(as_configs(values, "values"))


def _ranks(values: FloatArray) -> FloatArray:
    # Rank = (configs + 1 + wins - losses) / 2 gives average ranks at ties; quadratic, but configs are few.
    wins_minus_losses = np.sign(values[..., :, None] - values[..., None, :]).sum(-1)
    ranks: FloatArray = (values.shape[-1] + 1 + wins_minus_losses) / 2
    return ranks


def _pearson(x: FloatArray, y: FloatArray) -> FloatArray:
    centred_x, norm_x = _centred(x)
    centred_y, norm_y = _centred(y)
    return _ratio((centred_x * centred_y).sum(-1), norm_x * norm_y)


def _centred(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Deviations from the mean scaled to at most 1 (squares of tiny spreads would underflow), and their norm."""
    deviations = values - values.mean(-1, keepdims=True)
    largest = np.abs(deviations).max(-1, keepdims=True)
    constant = largest <= _CONSTANT_TOLERANCE * np.abs(values).max(-1, keepdims=True)
    scaled = np.where(constant, 0.0, deviations / np.where(constant, 1.0, largest))
    return scaled, np.sqrt((scaled * scaled).sum(-1))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """numerator / denominator clipped to [-1, 1], nan where the denominator is 0."""
    undefined = denominator == 0
    ratio = np.where(undefined, np.nan, numerator / np.where(undefined, 1.0, denominator))
    return np.clip(ratio, -1.0, 1.0)
