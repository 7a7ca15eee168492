"""Policies without a model: RS of classes and samples, balanced RS, NiR.

NiR keeps every class and the same fraction of its images (appendix A of the DLTH paper: a random tenth of each).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dlth_bench.selection.policy import (
    POOL,
    Choice,
    Draw,
    Labels,
    Policy,
    Positions,
    Request,
    SampleRequest,
    size_within,
)
from dlth_bench.selection.sample_pool import shuffled, take, take_fraction
from dlth_bench.util.errors import InputError


def random_classes(class_ids: Sequence[str], size: int, seed: int) -> tuple[str, ...]:
    """``size`` of the classes, each set equally likely; the same for the same seed and list, in sorted order.

    Raises:
        InputError: ``size`` is not between 1 and the number of classes.
    """
    size_within(size, len(class_ids))
    drawn = np.random.default_rng(seed).choice(len(class_ids), size=size, replace=False)
    return tuple(sorted(class_ids[index] for index in drawn))


def _choose_classes(request: Request) -> Choice:
    return Choice(random_classes(request.catalog.ids, request.size, request.seed))


RS = Policy("rs", "random: uniform, without replacement", _choose_classes, takes=("seed",))


def random_samples(count: int, size: int, seed: int) -> Positions:
    """``size`` of ``count`` positions, each set equally likely."""
    return np.random.default_rng(seed).choice(count, size=size, replace=False)


def balanced_random_samples(labels: Labels, size: int, seed: int) -> Positions:
    """The same number of each class (samples, int64), drawn without replacement.

    Which classes get one more, where the size is no multiple of their number, is drawn too. A class with fewer samples
    than its share gives all it has, and the others share the rest.
    """
    order, class_ranks = shuffled(labels, seed)
    return take(order, size, labels, class_ranks)


def fewer_images(labels: Labels, size: int, draw: Draw = Draw.RANDOM, seed: int = 0) -> Positions:
    """The same fraction of every class's samples, ``size`` in all and at least one of each.

    Fractions are rounded as ``ranking.take_fraction`` says; among classes of equal size, those that get one more are
    drawn, or the first ones for ``Draw.FIRST``.

    Raises:
        InputError: ``size`` is below the number of classes.
    """
    classes = len(np.unique(labels))
    if size < classes:
        raise InputError(f"size {size}: nir keeps every class, and there are {classes}")
    if draw is Draw.FIRST:
        return take_fraction(np.argsort(labels, kind="stable"), size, labels)
    order, class_ranks = shuffled(labels, seed)
    return take_fraction(order, size, labels, class_ranks)


def _choose_samples(request: SampleRequest) -> Choice:
    return request.choice(random_samples(request.available, request.size, request.seed), {})


def _choose_balanced(request: SampleRequest) -> Choice:
    return request.choice(balanced_random_samples(request.labels, request.size, request.seed), {})


def _choose_fewer(request: SampleRequest) -> Choice:
    drawn = request.draw is Draw.RANDOM
    if request.seed and not drawn:
        raise InputError("--seed means nothing to --draw first")
    positions = fewer_images(request.labels, request.size, request.draw, request.seed)
    return replace(request.choice(positions, {"draw": request.draw}), drawn=drawn)


RS_SAMPLES = Policy(
    "rs", "random samples: uniform, without replacement", _choose_samples, takes=("seed", *POOL), unit="sample"
)
RS_BALANCED = Policy(
    "rs-balanced",
    "random samples, the same number of each class",
    _choose_balanced,
    takes=("seed", *POOL),
    unit="sample",
)
NIR = Policy(
    "nir",
    "every class with the same fraction of its images (number of images reduced)",
    _choose_fewer,
    takes=("draw", "seed", *POOL),
    unit="sample",
)
