"""ERC: classes, or samples, on which several configs agree with their overall order.

Appendix I of the DLTH paper builds its tickets of AG News from "consistent samples across four configurations until
reaching 10% of the full data", twice, and says no more. Here: a sample is consistent if no config that is worse
overall does better on it (equations 7 and 8 with ties, since a single sample is right or wrong), and the budget is
drawn from the consistent samples at random, so that another seed gives another ticket. Samples that all configs get
right, or all wrong, are consistent too; a note says how many there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlth_bench.selection.accuracies import named_models, read_pool
from dlth_bench.selection.policy import POOL, Choice, Labels, Policy, Positions, Request, SampleRequest, Ties
from dlth_bench.selection.random import balanced_random_samples, random_classes, random_samples
from dlth_bench.selection.sample_pool import read_correctness
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

Accuracies = Mapping[str, npt.NDArray[np.float64]]
"""By config: accuracy (a fraction) on each sample (samples,)."""


TARGET = 100
"""How many classes algorithm 1 draws (its M_target)."""

_ROUNDING = 1e-9
"""Differences of accuracies below this come from binary fractions: 49/50 - 48/50 is not exactly .02."""


@dataclass(frozen=True)
class Consistency:
    """Which classes agree with the whole.

    order: the models from the lowest to the highest mean accuracy.
    class_ids: the consistent classes, in the dataset's order.
    """

    order: tuple[str, ...]
    class_ids: tuple[str, ...]


def consistent_classes(
    pool: Mapping[str, Mapping[str, float]], ties: Ties = Ties.STRICT, margin: float = 0.0
) -> Consistency:
    """The classes whose accuracies order the models as the means over all classes do (equations 7 and 8).

    Args:
        pool: accuracy (a fraction) by model and class; the same classes for each.
        ties: ``strict`` asks that every model be better than all below it, ``allow`` that it be no worse.
        margin: differences up to this are ties: noise of a validation set of 50 images a class is about .05.

    Raises:
        InputError: fewer than two models, two that do not differ, or a margin below 0 or not below 1.
    """
    if len(pool) < 2:
        raise InputError(f"the pool has {len(pool)} model; a consistency of models needs at least 2")
    if not 0 <= margin < 1:
        raise InputError(f"margin {margin:g} is not an accuracy difference from 0 to below 1")
    # Tables round, so the last digits of a mean would otherwise order two models that are equal.
    means = {model: math.fsum(values.values()) / len(values) for model, values in pool.items()}
    order = tuple(sorted(pool, key=lambda model: (means[model], model)))
    for worse, better in itertools.pairwise(order):
        if means[better] - means[worse] <= _ROUNDING:
            same = "on every class" if dict(pool[worse]) == dict(pool[better]) else f"on average ({means[worse]:.4f})"
            raise InputError(f"models {quoted(worse)} and {quoted(better)} do not differ: equal {same}, so no order")
    least = margin + _ROUNDING if ties is Ties.STRICT else -margin - _ROUNDING
    # All pairs, not neighbours only: where ties are allowed, small steps down must not add up.
    pairs = [(pool[worse], pool[better]) for worse, better in itertools.combinations(order, 2)]
    classes = pool[order[0]]
    kept = (item for item in classes if all(better[item] - worse[item] >= least for worse, better in pairs))
    return Consistency(order, tuple(kept))


def draw_consistent(consistent: Consistency, target: int, threshold: int, seed: int) -> tuple[str, ...]:
    """Algorithm 1, lines 6 to 9: ``target`` of the classes at random if there are more than ``threshold``, else all.

    Raises:
        InputError: no class is consistent, or the threshold is below the target.
    """
    if threshold < target:
        raise InputError(f"threshold {threshold} is below the size {target}; a draw could lack classes")
    if not consistent.class_ids:
        order = " < ".join(printable(model, 40) for model in consistent.order)
        raise InputError(f"no class has the order {order}; take fewer models, a smaller margin or --ties allow")
    if len(consistent.class_ids) > threshold:
        return random_classes(consistent.class_ids, target, seed)
    return tuple(sorted(consistent.class_ids))


def _choose_classes(request: Request) -> Choice:
    pool = read_pool(request.accuracies, request.catalog)
    if request.model is not None:
        pool = named_models(pool, [name.strip() for name in request.model.split(",")])
    # The paper draws 100 from more than 200; the same ratio serves other sizes.
    threshold = 2 * request.size if request.threshold is None else request.threshold
    consistent = consistent_classes(pool, request.ties, request.margin)
    chosen = draw_consistent(consistent, request.size, threshold, request.seed)
    found = len(consistent.class_ids)
    order = " < ".join(printable(model, 40) for model in consistent.order)
    compared = f"{len(chosen)} of them drawn" if found > threshold else f"all kept, as they are at most {threshold}"
    met = f"{found} of {len(request.catalog)} classes are consistent with the order {order}; {compared}"
    parameters = {"ties": request.ties, "margin": request.margin, "threshold": threshold, "target": request.size}
    parameters |= {} if request.model is None else {"model": request.model}
    return Choice(chosen, parameters, (met,))


ERC = Policy(
    "erc",
    "classes on which two or more models rank as overall",
    _choose_classes,
    needs=("accuracies",),
    takes=("model", "ties", "margin", "threshold", "seed"),
    default_size=TARGET,
)


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
    if bool(request.dynamics) == bool(request.correctness):
        raise InputError("consistent needs --dynamics, one file a config, or --correctness tables (not both)")
    if request.correctness:
        return read_correctness(request.correctness, request.samples)
    seeds: dict[str, list[npt.NDArray[np.bool_]]] = {}
    for dynamics in request.dynamics:
        *_, last = dynamics.correct()
        seeds.setdefault(dynamics.header.config, []).append(last)
    return {config: np.mean(rows, axis=0) for config, rows in seeds.items()}


def _choose_samples(request: SampleRequest) -> Choice:
    consistent = consistent_samples(_pool(request), request.ties, request.margin)
    positions = draw(consistent, request.size, request.seed, request.labels if request.balanced else None)
    order = " < ".join(printable(config, 40) for config in consistent.order)
    found = f"{len(consistent.positions)} of {request.available} samples are consistent with the order {order}"
    parameters = {"ties": request.ties, "margin": request.margin, "balanced": request.balanced}
    return request.choice(positions, parameters, (f"{found}, {consistent.alike} of them alike under all configs",))


CONSISTENT = Policy(
    "consistent",
    "samples on which two or more configs rank as overall (AG News tickets)",
    _choose_samples,
    takes=("dynamics", "correctness", "ties", "margin", "balanced", "seed", *POOL),
    unit="sample",
)
