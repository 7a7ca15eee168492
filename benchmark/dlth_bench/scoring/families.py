"""Does the trend hold within families of methods, or only between them?

Where one kind of method is better than another on any data, every subset shows it, and the pooled correlation is high
without telling which recipe of a kind is the better one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray, correlate
from dlth_bench.scoring.permutation import permutation_p_values
from dlth_bench.spec.scorecard import FamilyScore, StructureScore

CHANCE = 0.05
"""A p-value up to this is beyond chance."""

LIKELY_CHANCE = 0.25
"""Beyond this p-value one order in four does as well: nothing speaks for a trend. Between the two, nothing is said."""

_EXACT_UP_TO = 40_320
_SAMPLES = 20_000
_SAME = 1e-9


def structure_scores(
    subsets: FloatArray, reference: FloatArray, families: Sequence[str], *, seed: int = 0
) -> list[StructureScore | None]:
    """The structure of each subset's trend.

    Args:
        subsets: (subsets, configs) mean accuracies.
        reference: (configs,) mean accuracies.
        families: the family of each config.
        seed: of the random orders, where there are too many to enumerate.

    Returns:
        None for all if the configs are of one family, or each of its own.
    """
    names = list(dict.fromkeys(families))
    if not 1 < len(names) < len(families):
        return [None] * len(subsets)
    members = [np.array([index for index, family in enumerate(families) if family == name]) for name in names]
    deviations, own = _deviations(subsets, members), _deviations(reference, members)
    within = _cosines(deviations, own)
    orders = _orders(members, seed)
    # Orders that tie with the observed one in exact arithmetic differ by rounding only.
    least = deviations @ own - _SAME * np.sqrt((deviations**2).sum(1) * (own**2).sum())
    reached = (own[orders] @ deviations.T >= least).mean(0)
    within_p = np.where(np.isnan(within), np.nan, reached)
    pooled_p = permutation_p_values(subsets, reference)
    between = _between(subsets, reference, members)
    by_family = [_family_scores(name, subsets, reference, m) for name, m in zip(names, members, strict=True)]
    return [
        StructureScore(
            families=own_families,
            within=_known(within[index]),
            within_p=_known(within_p[index]),
            between=_known(between[index]),
            rests_on_families=_rests(float(pooled_p[index]), float(within_p[index])),
        )
        for index, own_families in enumerate(zip(*by_family, strict=True))
    ]


def _rests(pooled_p: float, within_p: float) -> bool | None:
    if math.isnan(within_p) or math.isnan(pooled_p) or pooled_p > CHANCE:
        return None
    if within_p <= CHANCE:
        return False
    return True if within_p > LIKELY_CHANCE else None


def _family_scores(
    name: str, subsets: FloatArray, reference: FloatArray, members: NDArray[np.int64]
) -> list[FamilyScore]:
    """One family's score for each subset."""
    x, y = subsets[:, members], reference[members]
    one, other = np.triu_indices(len(members), 1)
    agreed = (np.sign(x[:, one] - x[:, other]) * np.sign(y[one] - y[other]) > 0).sum(1)
    unknown = np.full(len(x), np.nan)
    enough = len(members) >= MINIMUM_CONFIGS
    linear = correlate(x, y) if enough else unknown
    ranks = correlate(x, y, "spearman") if enough else unknown
    return [
        FamilyScore(
            family=name,
            configs=len(members),
            pearson=_known(linear[index]),
            spearman=_known(ranks[index]),
            pairs_agreed=int(agreed[index]),
            pairs=len(one),
        )
        for index in range(len(x))
    ]


def _deviations(values: FloatArray, members: Sequence[NDArray[np.int64]]) -> FloatArray:
    """Deviations from the mean of the family."""
    centred = np.array(values, dtype=np.float64)
    for family in members:
        centred[..., family] -= centred[..., family].mean(-1, keepdims=True)
    return centred


def _cosines(x: FloatArray, y: FloatArray) -> FloatArray:
    """(subsets,) Pearson's correlation of centred vectors; nan where one has no length."""
    lengths = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    defined = lengths > 1e-12
    found: FloatArray = np.where(defined, (x @ y) / np.where(defined, lengths, 1.0), np.nan)
    return np.clip(found, -1.0, 1.0)


def _between(subsets: FloatArray, reference: FloatArray, members: Sequence[NDArray[np.int64]]) -> FloatArray:
    if len(members) < MINIMUM_CONFIGS:
        return np.full(len(subsets), np.nan)
    own = np.stack([subsets[:, family].mean(1) for family in members], axis=1)
    return correlate(own, np.array([reference[family].mean() for family in members]))


def _orders(members: Sequence[NDArray[np.int64]], seed: int) -> NDArray[np.int64]:
    """(orders, configs) reorderings of the configs that leave every family together: all, or a sample."""
    count, configs = math.prod(math.factorial(len(family)) for family in members), sum(map(len, members))
    if count <= _EXACT_UP_TO:
        choices = list(product(*(list(permutations(family)) for family in members)))
        orders = np.empty((count, configs), dtype=np.int64)
        for index, choice in enumerate(choices):
            for family, order in zip(members, choice, strict=True):
                orders[index, family] = order
        return orders
    rng = np.random.default_rng(seed)
    orders = np.tile(np.arange(configs), (_SAMPLES, 1))
    for family in members:
        orders[1:, family] = rng.permuted(np.tile(family, (_SAMPLES - 1, 1)), axis=1)
    return orders


def _known(value: float | FloatArray) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number
