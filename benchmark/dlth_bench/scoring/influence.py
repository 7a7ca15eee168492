"""How much the correlation hangs on single configs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray, Statistic, correlate, paired


def leave_one_out(x: ArrayLike, y: ArrayLike, statistic: Statistic = "pearson") -> FloatArray:
    """The correlation without each config in turn (the jackknife values of Quenouille 1956).

    Args:
        x: (..., configs) accuracies; leading axes broadcast against those of ``y``.
        y: (..., configs) accuracies.
        statistic: the correlation.

    Returns:
        (..., configs) entry i is the correlation over all configs but i; nan where what remains is constant.

    Raises:
        ValueError: on vectors of unequal length or with fewer than 4 configs (3 must remain).
    """
    first, second = paired(x, y)
    configs = first.shape[-1]
    if configs <= MINIMUM_CONFIGS:
        raise ValueError(f"x has {configs} configs, leaving one out needs at least {MINIMUM_CONFIGS + 1}")
    index = np.arange(configs)
    kept = np.stack([np.delete(index, left_out) for left_out in index])
    return correlate(first[..., kept], second[..., kept], statistic)
