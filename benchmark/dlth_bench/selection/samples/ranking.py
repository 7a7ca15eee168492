"""From scores to samples: who comes first, and how classes share a budget.

Ties are settled by the next key and, after the last one, by the order of the samples, so that the same scores give
the same samples everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]


def ranked(*keys: npt.NDArray[Any]) -> Positions:
    """All positions by the first key, ascending, then by the next; equal ones in the samples' order."""
    return np.lexsort(tuple(reversed(keys)))


def take(
    order: Positions, size: int, labels: Labels | None = None, class_ranks: npt.NDArray[np.intp] | None = None
) -> Positions:
    """The first ``size`` of an order; with ``labels``, the same number of each class.

    Equal shares are dealt in rounds, one sample of each class a round, so a class that runs out leaves its share to
    the others. The last round, if there are too few for all classes, goes to the samples that come first in ``order``,
    or to the classes (classes,) of the lowest rank: where the order is drawn, its first samples are mostly of large
    classes.
    """
    if labels is None:
        return order[:size]
    return order[_dealt(_place_in_class(order, labels), order, labels, class_ranks)[:size]]


def take_fraction(
    order: Positions, size: int, labels: Labels, class_ranks: npt.NDArray[np.intp] | None = None
) -> Positions:
    """``size`` samples, of each class the same fraction: its first ones in ``order``.

    A fraction that is no whole number is rounded up where the size allows (Adams' apportionment), so that every class
    is there if the size is at least the number of classes; who gets one more among equals is as for ``take``.
    """
    fraction = _place_in_class(order, labels) / np.bincount(labels)[labels[order]]
    return order[_dealt(fraction, order, labels, class_ranks)[:size]]


def class_shares(labels: Labels, size: int, *, balanced: bool) -> npt.NDArray[np.intp]:
    """Samples of each class (classes,): an equal number, or an equal fraction; earlier classes get the rest."""
    order = np.argsort(labels, kind="stable")
    taken = take(order, size, labels) if balanced else take_fraction(order, size, labels)
    return np.bincount(labels[taken], minlength=int(labels.max()) + 1)


def shuffled(labels: Labels, seed: int) -> tuple[Positions, npt.NDArray[np.intp]]:
    """A random order of the samples, and a random rank of each class (classes,)."""
    rng = np.random.default_rng(seed)
    return rng.permutation(len(labels)), rng.permutation(int(labels.max()) + 1)


def class_members(labels: Labels) -> Sequence[Positions]:
    """The positions of each class's samples, ascending."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _dealt(
    turns: npt.NDArray[Any], order: Positions, labels: Labels, class_ranks: npt.NDArray[np.intp] | None
) -> Positions:
    """Places in ``order`` by turn; those of one turn by the rank of their class, else as they come."""
    if class_ranks is None:
        return np.argsort(turns, kind="stable")
    return np.lexsort((class_ranks[labels[order]], turns))


def _place_in_class(order: Positions, labels: Labels) -> npt.NDArray[np.intp]:
    """For each entry of ``order``, which may leave samples out, how many of its class come before it."""
    ordered = labels[order]
    grouped = np.argsort(ordered, kind="stable")
    counts = np.bincount(ordered)
    starts = np.cumsum(counts) - counts
    places = np.empty(len(order), dtype=np.intp)
    places[grouped] = np.arange(len(order)) - starts[ordered[grouped]]
    return places
