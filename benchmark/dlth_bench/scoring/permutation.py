"""How often a random ordering of the configs would reach the observed correlation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from dlth_bench.scoring.correlation import (
    FloatArray,
    Statistic,
    check_statistic,
    correlate,
    paired,
    unit_scores,
)

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
