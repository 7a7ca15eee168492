"""RS: classes drawn uniformly without replacement (section 3.2 of the DLTH paper)."""

from __future__ import annotations

from collections.abc import Sequence

from dlth_bench.selection.policy import Choice, Policy, Request, size_within


def random_classes(class_ids: Sequence[str], size: int, seed: int) -> tuple[str, ...]:
    """``size`` of the classes, each set equally likely; the same for the same seed and list, in sorted order.

    Raises:
        InputError: ``size`` is not between 1 and the number of classes.
    """
    import numpy as np  # slow to load, and the command line lists the policies at every start

    size_within(size, len(class_ids))
    drawn = np.random.default_rng(seed).choice(len(class_ids), size=size, replace=False)
    return tuple(sorted(class_ids[index] for index in drawn))


def _choose(request: Request) -> Choice:
    return Choice(random_classes(request.catalog.ids, request.size, request.seed))


RS = Policy("rs", "random: uniform, without replacement", _choose, takes=("seed",))
