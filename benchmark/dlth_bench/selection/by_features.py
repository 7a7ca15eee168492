"""Policies by features of samples: greedy k-centre and herding.

Its largest distance from a sample to the nearest centre is at most twice the least possible. Over all samples it costs
samples x size x dimensions; for a tenth of ImageNet-1K that is 10^16, so large pools are covered class by class
(``--balanced``), which costs a thousandth.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from dlth_bench.selection.policy import Choice, Positions, SampleRequest, dynamics_policy
from dlth_bench.selection.sample_pool import class_members, class_shares, unit_rows
from dlth_bench.util.errors import InputError

_DECIMALS = 9
"""Distances that agree to so many decimals are equal: what remains is rounding, which differs between machines."""

MOST_OPERATIONS = 1e12
"""Samples x size x dimensions of one k-centre; a quarter of an hour on one core."""


def greedy_centres(features: npt.NDArray[np.float64], size: int, first: int) -> Positions:
    """``size`` different rows, in the order in which they are chosen.

    Args:
        features: (samples, dimensions), finite.
        first: position of the first centre.
    """
    largest = float(np.abs(features).max())
    points = features / largest if largest > 0 else features
    squares = np.einsum("nd,nd->n", points, points)
    nearest = np.full(len(points), np.inf)
    chosen = np.empty(size, dtype=np.intp)
    for step in range(size):
        chosen[step] = first if step == 0 else nearest.argmax()
        centre = chosen[step]
        # |x - c|^2 by one matrix-vector product.
        away = np.round(squares + squares[centre] - 2 * (points @ points[centre]), _DECIMALS)
        np.minimum(nearest, away, out=nearest)
        nearest[centre] = -1.0  # not again, even where other samples lie on it
    return chosen


def _choose_centres(request: SampleRequest) -> Choice:
    dynamics = request.one_model("kcenter")
    rng = np.random.default_rng(request.seed)
    labels = request.labels
    if request.balanced:
        groups = list(class_members(labels))
        shares = class_shares(labels, request.size, balanced=True).tolist()
    else:
        groups, shares = [np.arange(len(labels))], [request.size]
        operations = len(labels) * request.size * dynamics.feature_dimensions
        if operations > MOST_OPERATIONS:
            raise InputError(f"{operations:.0e} operations for one k-centre would take hours; --balanced goes by class")
    positions = []
    # The order in which threads add up changes the last digits, and with them, rarely, a centre.
    with threadpool_limits(limits=1):
        for members, share in zip(groups, shares, strict=True):
            if share:
                first = int(rng.integers(len(members)))
                positions.append(members[greedy_centres(dynamics.features(members), share, first)])
    return request.choice(np.concatenate(positions), {"balanced": request.balanced, "distance": "Euclidean"})


KCENTER = dynamics_policy("kcenter", "samples that cover the features: greedy k-centre", _choose_centres, "seed")


def herd(features: npt.NDArray[np.float64], size: int) -> Positions:
    """``size`` different rows, in the order in which they are chosen; the first of equals.

    Args:
        features: (samples, dimensions), finite; scaled to length one here. A row of zeros stays.
    """
    points = unit_rows(features)
    towards = points @ points.mean(axis=0)
    # Each sample's product with k mean - (sum of the chosen), kept up to date one choice at a time.
    products = towards.copy()
    chosen = np.empty(size, dtype=np.intp)
    for step in range(size):
        best = int(np.round(products, _DECIMALS).argmax())
        chosen[step] = best
        products += towards - points @ points[best]
        products[best] = -np.inf
    return chosen


def _choose_by_herding(request: SampleRequest) -> Choice:
    dynamics = request.one_model("herding")
    labels = request.labels
    shares = class_shares(labels, request.size, balanced=request.balanced)
    positions = []
    # The order in which threads add up changes the last digits, and with them, rarely, a choice.
    with threadpool_limits(limits=1):
        for members, share in zip(class_members(labels), shares.tolist(), strict=True):
            if share:
                positions.append(members[herd(dynamics.features(members), share)])
    share = "an equal number" if request.balanced else "an equal fraction"
    return request.choice(np.concatenate(positions), {"of each class": share})


HERDING = dynamics_policy("herding", "samples whose mean feature is their class's", _choose_by_herding)
