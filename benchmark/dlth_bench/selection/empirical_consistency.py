"""ERC: classes on which the models rank as they do on all classes (section 3.1 and algorithm 1 of the DLTH paper)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from dlth_bench.selection.class_accuracies import named_models, read_pool
from dlth_bench.selection.policy import Choice, Policy, Request, Ties
from dlth_bench.selection.random_sampling import random_classes
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

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


def _choose(request: Request) -> Choice:
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
    _choose,
    needs=("accuracies",),
    takes=("model", "ties", "margin", "threshold", "seed"),
    default_size=TARGET,
)
