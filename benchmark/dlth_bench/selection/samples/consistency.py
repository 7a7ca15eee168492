"""Samples on which several configs agree with their overall order: ERC's condition, sample by sample.

Appendix I of the DLTH paper builds its tickets of AG News from "consistent samples across four configurations until
reaching 10% of the full data", twice, and says no more. Here: a sample is consistent if no config that is worse
overall does better on it (equations 7 and 8 with ties, since a single sample is right or wrong), and the budget is
drawn from the consistent samples at random, so that another seed gives another ticket. Samples that all configs get
right, or all wrong, are consistent too; a note says how many there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlth_bench.selection.policy import Choice, Policy, Ties
from dlth_bench.selection.samples.random_samples import balanced_random_samples, random_samples
from dlth_bench.selection.samples.request import POOL, SampleRequest
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.selection.samples.request import Labels, Positions

    Accuracies = Mapping[str, npt.NDArray[np.float64]]
    """By config: accuracy (a fraction) on each sample (samples,)."""

_ROUNDING = 1e-9
"""Differences of accuracies below this come from binary fractions."""


@dataclass(frozen=True, eq=False)
class ConsistentSamples:
    """Which samples agree with the whole.

    order: the configs from the lowest to the highest mean accuracy.
    positions: of the consistent samples, ascending.
    alike: how many of them have the same accuracy under all configs.
    """

    order: tuple[str, ...]
    positions: Positions
    alike: int


def consistent_samples(pool: Accuracies, ties: Ties = Ties.ALLOW, margin: float = 0.0) -> ConsistentSamples:
    """The samples whose accuracies order the configs as the means over all samples do.

    Args:
        ties: ``strict`` asks that every config be better than all below it, ``allow`` that it be no worse.
        margin: differences up to this are ties.

    Raises:
        InputError: fewer than two configs, two of equal mean, or a margin below 0 or not below 1.
    """
    import numpy as np

    if len(pool) < 2:
        raise InputError(f"the pool has {len(pool)} config; a consistency of configs needs at least 2")
    if not 0 <= margin < 1:
        raise InputError(f"margin {margin:g} is not an accuracy difference from 0 to below 1")
    means = {config: float(values.mean()) for config, values in pool.items()}
    order = tuple(sorted(pool, key=lambda config: (means[config], config)))
    for worse, better in itertools.pairwise(order):
        if means[better] - means[worse] <= _ROUNDING:
            told = f"{quoted(worse)} and {quoted(better)} have the same mean accuracy"
            raise InputError(f"configs {told} ({means[worse]:.4f}), so no order")
    least = margin + _ROUNDING if ties is Ties.STRICT else -margin - _ROUNDING
    kept = np.ones(len(pool[order[0]]), dtype=np.bool_)
    for worse, better in itertools.combinations(order, 2):
        kept &= pool[better] - pool[worse] >= least
    alike = np.all([np.abs(pool[config] - pool[order[0]]) <= _ROUNDING for config in order], axis=0)
    return ConsistentSamples(order, np.flatnonzero(kept), int((kept & alike).sum()))


def draw(consistent: ConsistentSamples, size: int, seed: int, labels: Labels | None = None) -> Positions:
    """``size`` of the consistent samples at random; with ``labels``, the same number of each class.

    Raises:
        InputError: there are fewer.
    """
    found = consistent.positions
    if len(found) < size:
        order = " < ".join(printable(config, 40) for config in consistent.order)
        raise InputError(f"size {size}: only {len(found)} samples are consistent with the order {order}")
    if labels is None:
        return found[random_samples(len(found), size, seed)]
    return found[balanced_random_samples(labels[found], size, seed)]


def _pool(request: SampleRequest) -> Accuracies:
    """Of each config the mean over its seeds, correct after the last epoch; or the tables' columns."""
    import numpy as np

    from dlth_bench.selection.samples.sample_table import read_correctness

    if bool(request.dynamics) == bool(request.correctness):
        raise InputError("consistent needs --dynamics, one file a config, or --correctness tables (not both)")
    if request.correctness:
        return read_correctness(request.correctness, request.samples)
    seeds: dict[str, list[npt.NDArray[np.bool_]]] = {}
    for dynamics in request.dynamics:
        *_, last = dynamics.correct()
        seeds.setdefault(dynamics.header.config, []).append(last)
    return {config: np.mean(rows, axis=0) for config, rows in seeds.items()}


def _choose(request: SampleRequest) -> Choice:
    consistent = consistent_samples(_pool(request), request.ties, request.margin)
    positions = draw(consistent, request.size, request.seed, request.labels if request.balanced else None)
    order = " < ".join(printable(config, 40) for config in consistent.order)
    found = f"{len(consistent.positions)} of {request.available} samples are consistent with the order {order}"
    parameters = {"ties": request.ties, "margin": request.margin, "balanced": request.balanced}
    return request.choice(positions, parameters, (f"{found}, {consistent.alike} of them alike under all configs",))


CONSISTENT = Policy(
    "consistent",
    "samples on which two or more configs rank as overall (AG News tickets)",
    _choose,
    takes=("dynamics", "correctness", "ties", "margin", "balanced", "seed", *POOL),
    unit="sample",
)
