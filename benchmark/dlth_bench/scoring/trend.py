"""How alike the trends of subsets and full data are: correlations with all that is known of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import get_args

from dlth_bench.scoring.bca import config_intervals
from dlth_bench.scoring.ceiling import disattenuated, noise_ceiling, reliability_of
from dlth_bench.scoring.correlation import FloatArray, Statistic, correlate
from dlth_bench.scoring.permutation import permutation_p_values
from dlth_bench.scoring.reference_side import ReferenceSide
from dlth_bench.scoring.sides import Side, stack, summarise
from dlth_bench.scoring.uncertainty import seed_intervals
from dlth_bench.spec.scorecard import CorrelationScore

_ONE = 1 - 1e-6
"""From here on a correlation is 1 but for rounding."""


def trend_scores(subsets: Sequence[Side], reference: ReferenceSide) -> list[dict[Statistic, CorrelationScore]]:
    """The correlations of many subsets with one reference over the same configs.

    Args:
        subsets: accuracies of each subset.
        reference: of the same configs in the same order.

    Returns:
        a score by statistic for each subset; a value of None where a side's means are constant.
    """
    full = summarise(reference.scores, "reference")
    stacked = stack(subsets)
    names: tuple[Statistic, ...] = get_args(Statistic)
    over_seeds, over_configs = seed_intervals(stacked, full), config_intervals(stacked.means, full.means)
    ceilings = _ceilings(reference, subsets, names)
    found: list[dict[Statistic, CorrelationScore]] = [{} for _ in subsets]
    for name in names:
        values = correlate(stacked.means, full.means, name)
        p_values = permutation_p_values(stacked.means, full.means, name)
        for index, side in enumerate(subsets):
            if math.isnan(values[index]):
                found[index][name] = CorrelationScore(value=None)
                continue
            low, high = (bounded(end) for end in over_seeds[name][index])
            correctable = name == "pearson" and not reference.exact
            found[index][name] = CorrelationScore(
                value=bounded(values[index]),
                low=low,
                high=high,
                configs_low=bounded(over_configs[name][index, 0]),
                configs_high=bounded(over_configs[name][index, 1]),
                p_value=float(p_values[index]),
                ceiling=ceilings[name, side.seeds],
                reaches_ceiling=None if high is None or reference.exact else high >= _ONE,
                disattenuated=_corrected(values[index], side, full) if correctable else None,
            )
    return found


def bounded(value: float | FloatArray) -> float | None:
    """A correlation as a number in [-1, 1]; None for nan."""
    number = float(value)
    return None if math.isnan(number) else max(-1.0, min(1.0, number))


def _ceilings(
    reference: ReferenceSide, subsets: Sequence[Side], names: Sequence[Statistic]
) -> Mapping[tuple[Statistic, float], float | None]:
    """The noise ceiling by statistic and runs behind a subset's mean; simulated once for each."""
    return {
        (name, seeds): None if reference.exact else bounded(noise_ceiling(reference.scores, name, other_seeds=seeds))
        for name in names
        for seeds in {side.seeds for side in subsets}
    }


def _corrected(value: float, subset: Side, reference: Side) -> float | None:
    return bounded(disattenuated(float(value), reliability_of(subset), reliability_of(reference)))
