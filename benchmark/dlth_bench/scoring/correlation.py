"""Correlations between two sets of per-config accuracies, their permutation tests, and the influence of each config.

Written with numpy alone: importing ``scipy.stats`` costs more than half a second, and bootstrap and permutation
need the same statistic on thousands of short vectors at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import factorial
from typing import Any, Literal, TypeAlias, get_args

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
    return correlate(x, y, "pearson")


def spearman(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """Spearman's rank correlation over the last axis: Pearson's on average ranks (Spearman 1904).

    Shapes, nan and errors as in `pearson`; only exactly equal values share a rank.
    """
    return correlate(x, y, "spearman")


def kendall_tau_b(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """Kendall's tau-b over the last axis: concordant minus discordant pairs, corrected for ties (Kendall 1945).

    Shapes, nan and errors as in `pearson`.
    """
    return correlate(x, y, "kendall")


def correlate(x: ArrayLike, y: ArrayLike, statistic: Statistic = "pearson") -> FloatArray:
    """The correlation named ``statistic``; shapes and errors as in `pearson`.

    Raises:
        ValueError: also on an unknown name, listing the known ones.
    """
    check_statistic(statistic)
    first, second = paired(x, y)
    product: FloatArray = np.einsum("...f,...f->...", _scores(first, statistic), _scores(second, statistic))
    return np.clip(product, -1.0, 1.0)


def unit_scores(values: ArrayLike, statistic: Statistic) -> FloatArray:
    """Unit vectors whose inner products are the correlations (Daniels 1944, "generalised correlation").

    A vector of accuracies becomes its deviations from the mean (Pearson), each config's wins minus losses against the
    others (Spearman; twice the centred ranks), or the signs of all pairs' differences (Kendall).

    Args:
        values: (..., configs), finite.
        statistic: the correlation.

    Returns:
        (..., configs), for Kendall (..., configs * (configs - 1) / 2); all nan where a vector is constant.

    Raises:
        ValueError: see `as_configs`.
    """
    check_statistic(statistic)
    return _scores(as_configs(values, "values"), statistic)


def rank_correlations(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Spearman's and Kendall's correlation of many pairs of vectors at once, in small integers.

    Args:
        x: (configs, ...): configs come first here, so that a comparison of two configs runs over contiguous memory.
        y: (configs, ...).

    Returns:
        two arrays (...) in [-1, 1]; nan where either vector is constant.
    """
    configs, shape = len(x), x.shape[1:]
    wins = [np.zeros((configs, *shape), dtype=np.int16) for _ in range(2)]
    products = [np.zeros(shape, dtype=np.int16) for _ in range(3)]  # of pair signs: x with y, x with x, y with y
    for one in range(configs):
        for other in range(one + 1, configs):
            signs = [
                (side[one] > side[other]).view(np.int8) - (side[one] < side[other]).view(np.int8) for side in (x, y)
            ]
            for won, sign in zip(wins, signs, strict=True):
                won[one] += sign
                won[other] -= sign
            for total, (a, b) in zip(products, ((0, 1), (0, 0), (1, 1)), strict=True):
                total += signs[a] * signs[b]
    both, first, second = ((wins[a].astype(np.int32) * wins[b]).sum(0) for a, b in ((0, 1), (0, 0), (1, 1)))
    return _ratio_of_counts(both, first, second), _ratio_of_counts(*products)


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
    ranks: FloatArray = (values.shape[-1] + 1 + _wins_minus_losses(values)) / 2
    return ranks


def _wins_minus_losses(values: FloatArray) -> FloatArray:
    # Quadratic, but configs are few, and ties come out as average ranks.
    difference: FloatArray = np.sign(values[..., :, None] - values[..., None, :]).sum(-1)
    return difference


def _scores(values: FloatArray, statistic: Statistic) -> FloatArray:
    if statistic == "pearson":
        scores = _centred(values)
    elif statistic == "spearman":
        scores = _wins_minus_losses(values)
    else:
        one, other = np.triu_indices(values.shape[-1], 1)
        scores = np.sign(values[..., one] - values[..., other])
    return _ratio(scores, np.sqrt(np.einsum("...f,...f->...", scores, scores))[..., None])


def _centred(values: FloatArray) -> FloatArray:
    """Deviations from the mean scaled to at most 1, since squares of tiny spreads would underflow; 0 if constant."""
    deviations = values - values.mean(-1, keepdims=True)
    largest = np.abs(deviations).max(-1, keepdims=True)
    constant = largest <= _CONSTANT_TOLERANCE * np.abs(values).max(-1, keepdims=True)
    return np.where(constant, 0.0, deviations / np.where(constant, 1.0, largest))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """numerator / denominator clipped to [-1, 1], nan where the denominator is 0."""
    undefined = denominator == 0
    ratio = np.where(undefined, np.nan, numerator / np.where(undefined, 1.0, denominator))
    return np.clip(ratio, -1.0, 1.0)


def _ratio_of_counts(both: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> FloatArray:
    return _ratio(both.astype(np.float64), np.sqrt(first.astype(np.float64) * second))


EXACT_UP_TO = 8
"""Most configs for which all orders are enumerated (8! = 40320)."""

# Orders that tie with the observed one in exact arithmetic differ by rounding only.
_TIE_TOLERANCE = 1e-9
# Bounds the memory to some tens of megabytes.
_CORRELATIONS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class PermutationTest:
    """One-sided permutation test of "the subset's trend is unrelated to the full data's".

    Attributes:
        p_value: probability under the null of a correlation at least as large as the observed one; nan if undefined.
        orders: orders of the configs examined.
        exact: whether these were all orders.
    """

    p_value: float
    orders: int
    exact: bool


def permutation_test(
    x: ArrayLike, y: ArrayLike, statistic: Statistic = "pearson", *, samples: int = 100_000, seed: int = 0
) -> PermutationTest:
    """One-sided p-value of the correlation of ``x`` and ``y``.

    Up to `EXACT_UP_TO` configs all orders are enumerated and p = b / n!, where b counts the orders that reach the
    observed correlation (the observed order among them). Beyond, ``samples`` random orders are drawn and
    p = (b + 1) / (samples + 1), which is never 0 and keeps the test's level (Phipson & Smyth 2010, eq. 2).

    Args:
        x: (configs,) accuracies.
        y: (configs,) accuracies.
        statistic: the correlation to test.
        samples: random orders drawn when enumeration is out of reach.
        seed: of these draws.

    Raises:
        ValueError: on vectors of unequal length or with fewer than 3 configs, or ``samples`` < 1.
    """
    check_statistic(statistic)
    first, second = paired(x, y, ndim=1)
    p_values = permutation_p_values(first[None], second, statistic, samples=samples, seed=seed)
    exact = _is_exact(len(first))
    return PermutationTest(float(p_values[0]), factorial(len(first)) if exact else samples, exact)


def null_distribution(
    x: ArrayLike, y: ArrayLike, statistic: Statistic = "pearson", *, samples: int = 100_000, seed: int = 0
) -> FloatArray:
    """The sorted correlations of ``x`` with all orders of ``y``, or with ``samples`` random ones beyond 8 configs.

    Args and errors as in `permutation_test`.

    Returns:
        (orders,) ascending; all nan if ``x`` or ``y`` is constant.
    """
    check_statistic(statistic)
    first, second = paired(x, y, ndim=1)
    chunks = list(_null(first[None], second, statistic, samples, seed))
    return np.sort(np.concatenate(chunks)[:, 0])


def permutation_p_values(
    subsets: FloatArray,
    reference: FloatArray,
    statistic: Statistic = "pearson",
    *,
    samples: int = 100_000,
    seed: int = 0,
) -> FloatArray:
    """The p-value of `permutation_test` for many subsets at once.

    Args:
        subsets: (subsets, configs) accuracies.
        reference: (configs,) accuracies.

    Returns:
        (subsets,) nan where the correlation is undefined.
    """
    observed = correlate(subsets, reference, statistic)
    reached, orders = np.zeros(len(subsets)), 0
    for chunk in _null(subsets, reference, statistic, samples, seed):
        reached += (chunk >= observed - _TIE_TOLERANCE).sum(0)
        orders += len(chunk)
    p_values = reached / orders if _is_exact(len(reference)) else (reached + 1) / (orders + 1)
    return np.where(np.isnan(observed), np.nan, p_values)


def _null(
    subsets: FloatArray, reference: FloatArray, statistic: Statistic, samples: int, seed: int
) -> Iterator[FloatArray]:
    """Correlations (orders, subsets) with reordered references, some orders at a time."""
    scores = unit_scores(subsets, statistic)
    orders = _orders(len(reference), samples, seed)
    at_once = max(1, _CORRELATIONS_AT_ONCE // max(len(subsets), scores.shape[1]))
    for start in range(0, len(orders), at_once):
        yield unit_scores(reference[orders[start : start + at_once]], statistic) @ scores.T


def _is_exact(configs: int) -> bool:
    return configs <= EXACT_UP_TO


def _orders(configs: int, samples: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """(orders, configs): all permutations of the config indices, or a seeded sample of them."""
    if _is_exact(configs):
        return np.array(list(permutations(range(configs))), dtype=np.int64)
    if samples < 1:
        raise ValueError(f"samples: {samples}, at least 1 random order is needed")
    rng = np.random.default_rng(seed)
    identity = np.broadcast_to(np.arange(configs, dtype=np.int64), (samples, configs))
    shuffled = rng.permuted(identity, axis=1)
    return shuffled.reshape(samples, configs)


def leave_one_out(x: ArrayLike, y: ArrayLike, statistic: Statistic = "pearson") -> FloatArray:
    """The correlation without each config in turn (the jackknife values of Quenouille 1956).

    Args:
        x: (..., configs) accuracies; leading axes broadcast against those of ``y``.
        y: (..., configs) accuracies.
        statistic: the correlation.

    Returns:
        (..., configs) entry i is the correlation over all configs but i; nan where what remains is constant.

    Raises:
        ValueError: on vectors of unequal length or with fewer than 4 configs (3 must remain).
    """
    first, second = paired(x, y)
    configs = first.shape[-1]
    if configs <= MINIMUM_CONFIGS:
        raise ValueError(f"x has {configs} configs, leaving one out needs at least {MINIMUM_CONFIGS + 1}")
    index = np.arange(configs)
    kept = np.stack([np.delete(index, left_out) for left_out in index])
    return correlate(first[..., kept], second[..., kept], statistic)
