"""Racing: when a config's place among the others is settled, further seeds of it change nothing but the bill.

After two seeds of all configs, and after each further one, two configs are told apart when their means differ by more
than their seed noise explains: a t-test with the variance pooled over the configs, at the level divided by the pairs
and by the looks (Bonferroni), so that the chance of a single wrong verdict in a whole grid is at most 1 - level. A
config that is told apart from all others gets no further seed. The rule looks at the subset's runs alone, in the
protocol's order of seeds, so that anybody can replay it from the results.

The interval over seeds stays what it says (`tests/scoring/test_racing.py` simulates it): what is left out are runs of
configs that lie far from the others, and the noise is pooled over all runs that there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy import stats

from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray
from dlth_bench.scoring.sides import summarise

FIRST_SEEDS = 2
"""Seeds of every config before the first look; noise is not known from fewer."""

LEVEL = 0.95

Verdicts = npt.NDArray[np.bool_]


def settled(runs: ArrayLike, *, looks: int, level: float = LEVEL) -> Verdicts:
    """Which configs, (configs,), differ from every other one by more than seed noise.

    Args:
        runs: (configs, seeds) accuracies, nan for a missing run.
        looks: how often this is asked of a grid.
        level: chance that no verdict of a whole grid is wrong, at least.
    """
    table = np.asarray(runs, dtype=np.float64)
    counts = (~np.isnan(table)).sum(1)
    configs = len(table)
    if configs < MINIMUM_CONFIGS or (counts == 0).any():
        return np.zeros(configs, dtype=bool)
    side = summarise(table, "subset")
    if side.dof == 0:
        return np.zeros(configs, dtype=bool)
    tests = looks * configs * (configs - 1) / 2
    quantile = float(stats.t.ppf(1 - (1 - level) / (2 * tests), side.dof))
    error = np.sqrt(side.run_variance * (1 / counts[:, None] + 1 / counts))
    apart = np.abs(side.means[:, None] - side.means) > quantile * error
    return np.asarray((apart | np.eye(configs, dtype=bool)).all(1))


def left_out(runs: ArrayLike) -> Verdicts:
    """Which runs, (configs, seeds), racing does without, replayed seed by seed.

    Args:
        runs: (configs, seeds) accuracies in the protocol's order of seeds, nan for a run that is missing or not yet
            trained. What the rule leaves out is not looked at even when it is there.
    """
    table = np.asarray(runs, dtype=np.float64)
    configs, seeds = table.shape
    without = np.zeros(table.shape, dtype=bool)
    stopped = np.zeros(configs, dtype=bool)
    for seed in range(FIRST_SEEDS, seeds):
        known = np.where(without, np.nan, table)[:, :seed]
        stopped |= settled(known, looks=seeds - FIRST_SEEDS)
        without[:, seed] = stopped
    return without


def racing_note(names: Sequence[str], runs: FloatArray) -> str:
    """What a reader must know of a grid whose missing runs are just those that racing does without; else empty."""
    without = left_out(runs)
    if not without.any() or (np.isnan(runs) != without).any():
        return ""
    stopped = ", ".join(name for name, row in zip(names, without, strict=True) if row.any())
    return (
        f"raced: {int(without.sum())} of {without.size} runs were not trained, since the place of {stopped} among the "
        f"configs was settled beyond seed noise ({math.ceil(100 * LEVEL)} % over all pairs and looks)"
    )
