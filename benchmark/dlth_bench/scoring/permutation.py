"""How often a random ordering of the configs would reach the observed correlation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike

from dlth_bench.scoring.correlation import (
    FloatArray,
    Statistic,
    average_ranks,
    check_statistic,
    correlate,
    paired,
    pearson,
)

EXACT_UP_TO = 8
"""Most configs for which all orders are enumerated (8! = 40320)."""

# Orders that tie with the observed one in exact arithmetic differ by rounding only.
_TIE_TOLERANCE = 1e-9
# Bounds the pairwise sign arrays of Kendall's tau to some tens of megabytes.
_ORDERS_AT_ONCE = 8192


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
    null = null_distribution(x, y, statistic, samples=samples, seed=seed)
    observed = float(correlate(x, y, statistic))
    exact = _is_exact(np.size(x))
    if np.isnan(observed):
        return PermutationTest(float("nan"), len(null), exact)
    reached = int((null >= observed - _TIE_TOLERANCE).sum())
    p_value = reached / len(null) if exact else (reached + 1) / (len(null) + 1)
    return PermutationTest(p_value, len(null), exact)


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
    if statistic == "spearman":  # ranks do not change with the order, so rank once
        first, second = average_ranks(first), average_ranks(second)
    orders = _orders(len(second), samples, seed)
    measure = pearson if statistic == "spearman" else lambda a, b: correlate(a, b, statistic)
    chunks = [
        measure(first, second[orders[start : start + _ORDERS_AT_ONCE]])
        for start in range(0, len(orders), _ORDERS_AT_ONCE)
    ]
    return np.sort(np.concatenate(chunks))


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
