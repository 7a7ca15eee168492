"""Herding (Welling 2009): samples whose mean feature stays as near as it can to that of their class.

Per class and on features of length one, as Rebuffi et al. 2017 (iCaRL, algorithm 4) have it. On such features the
next sample of Welling's update, the one with the largest product with ``k mean - sum of the chosen``, is the one that
brings the mean of the chosen nearest to the class's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlth_bench.selection.policy import Choice, Policy
from dlth_bench.selection.samples.request import RECORDED, SampleRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.selection.samples.request import Positions

_DECIMALS = 9
"""Products that agree to so many decimals are equal: what remains is rounding, which differs between machines."""


def herd(features: npt.NDArray[np.float64], size: int) -> Positions:
    """``size`` different rows, in the order in which they are chosen; the first of equals.

    Args:
        features: (samples, dimensions), finite; scaled to length one here. A row of zeros stays.
    """
    import numpy as np

    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    points = features / np.where(lengths > 0, lengths, 1.0)
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


def _choose(request: SampleRequest) -> Choice:
    import numpy as np
    from threadpoolctl import threadpool_limits

    from dlth_bench.selection.samples.ranking import class_members, class_shares

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


HERDING = Policy(
    "herding",
    "samples whose mean feature is their class's",
    _choose,
    needs=("dynamics",),
    takes=RECORDED,
    unit="sample",
)
