"""Statistics of recorded trainings, read an epoch at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlth_bench.selection.dynamics import Dynamics
from dlth_bench.spec.dynamics import ScoreName


def epochs_correct(dynamics: Sequence[Dynamics]) -> npt.NDArray[np.int64]:
    """In how many epochs each sample (samples,) was predicted correctly, over all trainings."""
    total = np.zeros(len(dynamics[0].samples), dtype=np.int64)
    for recorded in dynamics:
        for row in recorded.correct():
            total += row
    return total


def mean_score(
    dynamics: Sequence[Dynamics], name: ScoreName, first: int = 0, last: int | None = None
) -> npt.NDArray[np.float64]:
    """The mean of a score (samples,) over epochs from ``first`` to before ``last``, and over trainings.

    Raises:
        InputError: it was not recorded, or is NaN or infinite somewhere.
    """
    total, rows = np.zeros(len(dynamics[0].samples)), 0
    for recorded in dynamics:
        for row in recorded.score(name, first, last):
            total += row
            rows += 1
    return total / rows


def final_score(dynamics: Sequence[Dynamics], name: ScoreName) -> npt.NDArray[np.float64]:
    """The mean over trainings of a score (samples,) after their last epochs.

    Raises:
        InputError: as ``mean_score``.
    """
    total = np.zeros(len(dynamics[0].samples))
    for model in dynamics:
        total += mean_score([model], name, model.epochs - 1)
    return total / len(dynamics)
