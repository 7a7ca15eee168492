"""ERC: classes, or samples, on which several configs agree with their overall order.

Appendix I of the DLTH paper builds its tickets of AG News from "consistent samples across four configurations until
reaching 10% of the full data", twice, and says no more. Here: a sample is consistent if no config that is worse
overall does better on it (equations 7 and 8 with ties, since a single sample is right or wrong), and the budget is
drawn from the consistent samples at random, so that another seed gives another ticket. Samples that all configs get
right, or all wrong, are consistent too; a note says how many there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
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
    classes = next(iter(pool.values()), {})
    rows = {model: np.array([values[item] for item in classes]) for model, values in pool.items()}
    order, kept = _agreement(rows, "model", ties, margin)
    return Consistency(order, tuple(item for item, is_kept in zip(classes, kept, strict=True) if is_kept))


def _agreement(pool: Accuracies, what: str, ties: Ties, margin: float) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """The members of the pool from the lowest mean accuracy on, and where (samples,) all pairs of them keep that order.

    Args:
        what: a member is, in messages.
    """
    if len(pool) < 2:
        raise InputError(f"the pool has {len(pool)} {what}; a consistency of {what}s needs at least 2")
    if not 0 <= margin < 1:
        raise InputError(f"margin {margin:g} is not an accuracy difference from 0 to below 1")
    means = {name: float(values.mean()) for name, values in pool.items()}
    order = tuple(sorted(pool, key=lambda name: (means[name], name)))
    for worse, better in itertools.pairwise(order):
        # Tables round, so the last digits of a mean would otherwise order two that are equal.
        if means[better] - means[worse] <= _ROUNDING:
            mean = f"({means[worse]:.4f})"
            same = "on every class" if np.array_equal(pool[worse], pool[better]) else f"on average {mean}"
            told = f"do not differ: equal {same}" if what == "model" else f"have the same mean accuracy {mean}"
            raise InputError(f"{what}s {quoted(worse)} and {quoted(better)} {told}, so no order")
    least = margin + _ROUNDING if ties is Ties.STRICT else -margin - _ROUNDING
    # All pairs, not neighbours only: where ties are allowed, small steps down must not add up.
    pairs = itertools.combinations(order, 2)
    return order, np.all([pool[better] - pool[worse] >= least for worse, better in pairs], axis=0)


def _told(order: Iterable[str]) -> str:
    return " < ".join(printable(name, 40) for name in order)


def draw_consistent(consistent: Consistency, target: int, threshold: int, seed: int) -> tuple[str, ...]:
    """Algorithm 1, lines 6 to 9: ``target`` of the classes at random if there are more than ``threshold``, else all.

    Raises:
        InputError: no class is consistent, or the threshold is below the target.
    """
    if threshold < target:
        raise InputError(f"threshold {threshold} is below the size {target}; a draw could lack classes")
    if not consistent.class_ids:
        raise InputError(
            f"no class has the order {_told(consistent.order)}; take fewer models, a smaller margin or --ties allow"
        )
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
    compared = f"{len(chosen)} of them drawn" if found > threshold else f"all kept, as they are at most {threshold}"
    met = (
        f"{found} of {len(request.catalog)} classes are consistent with the order {_told(consistent.order)}; {compared}"
    )
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
    order, kept = _agreement(pool, "config", ties, margin)
    alike = np.all([np.abs(pool[config] - pool[order[0]]) <= _ROUNDING for config in order], axis=0)
    return ConsistentSamples(order, np.flatnonzero(kept), int((kept & alike).sum()))


def draw(consistent: ConsistentSamples, size: int, seed: int, labels: Labels | None = None) -> Positions:
    """``size`` of the consistent samples at random; with ``labels``, the same number of each class.

    Raises:
        InputError: there are fewer.
    """
    found = consistent.positions
    if len(found) < size:
        told = f"only {len(found)} samples are consistent with the order {_told(consistent.order)}"
        raise InputError(f"size {size}: {told}")
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
    positions = draw(consistent, request.size, request.seed, request.dealt_by)
    order = _told(consistent.order)
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
