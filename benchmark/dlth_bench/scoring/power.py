"""How many seeds or configs it takes to tell two subsets apart, and which configs need no further seed.

Two subsets are imagined whose true Pearson correlations with the full data differ by what one wants to resolve, and
experiments on them are simulated and judged as the board judges: what share finds the better one to be better?
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are first used, so that --help does without them
from numpy.typing import ArrayLike

from dlth_bench.scoring.ceiling import reliability_of
from dlth_bench.scoring.comparison import correlation_draws, separated
from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray, pearson
from dlth_bench.scoring.sides import Side, Sides, summarise

_DRAWS = 500
_EXPERIMENTS_OF_CONFIGS = 20_000


@dataclass(frozen=True)
class Power:
    """The share of simulated experiments that find the difference.

    Attributes:
        count: seeds a config, or configs.
        share: of the experiments, in [0, 1].
        error: Monte Carlo standard error of ``share``.
    """

    count: int
    share: float
    error: float


def power_of_seeds(
    reference: Side,
    better: float,
    worse: float,
    counts: Iterator[int],
    *,
    subset_std: float,
    experiments: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Iterator[Power]:
    """Power of comparing two subsets on the configs of a protocol, for one number of seeds after the other.

    The full data's true means are the reference's, shrunk by its reliability; the subsets' have the same spread and
    exactly the given correlations with them. Every experiment measures the reference anew with as many seeds as it has.

    Args:
        reference: of the protocol, its noise known.
        better: true Pearson correlation of the one subset; ``worse`` of the other.
        worse: less than ``better``.
        counts: seeds a config on the subsets, each at least 2: one says nothing about noise.
        subset_std: standard deviation of one run on a subset, in the unit of the reference.
        experiments: simulated for each count.
        level: confidence at which the better one must come out as better.
        seed: of the simulation.
    """
    spread = reference.means - reference.means.mean()
    truth = spread * math.sqrt(reliability_of(reference))
    for count in counts:
        rng = np.random.default_rng([seed, count])
        found = 0
        for experiment in range(experiments):
            measured = _measured(truth[None], reference.error_variance, reference.dof, rng)
            subsets = np.stack([_correlated(truth, rho, rng) for rho in (better, worse)])
            sides = _measured(subsets, subset_std**2 / count, float(len(truth) * (count - 1)), rng)
            own = Side(measured.means[0], float(measured.error_variance[0]), 1.0, reference.dof)
            draws = correlation_draws(sides, own, "pearson", draws=_DRAWS, seed=experiment)
            found += bool(separated(draws, level=level)[0, 1])
        yield _power(count, found / experiments, experiments)


def power_of_configs(
    better: float,
    worse: float,
    counts: Iterator[int],
    *,
    subset_reliability: float = 1.0,
    reference_reliability: float = 1.0,
    level: float = 0.95,
    seed: int = 0,
) -> Iterator[Power]:
    """Power of the claim that one subset is better for all configs of a kind, from a sample of such configs.

    Configs are drawn from a normal population; subset and full-data accuracies have the given correlations in it, less
    what noise takes away. The test is that of Meng, Rosenthal & Rubin (1992) for correlations that share a side.

    Args:
        better: true correlation of the one subset in the population; ``worse`` of the other.
        worse: less than ``better``.
        counts: configs, each at least 4.
        subset_reliability: of the subsets' means, in [0, 1].
        reference_reliability: of the full data's.
        level: confidence of the two-sided test.
        seed: of the simulation.
    """
    for count in counts:
        rng = np.random.default_rng([seed, count])
        full, *residuals = rng.standard_normal((3, _EXPERIMENTS_OF_CONFIGS, count))
        sides = [
            _noisy(rho * full + math.sqrt(1 - rho**2) * residual, subset_reliability, rng)
            for rho, residual in zip((better, worse), residuals, strict=True)
        ]
        reference = _noisy(full, reference_reliability, rng)
        one, other = (pearson(side, reference) for side in sides)
        z = _compare_dependent(one, other, pearson(sides[0], sides[1]), count)
        yield _power(count, float((z > scipy.special.ndtri((1 + level) / 2)).mean()), _EXPERIMENTS_OF_CONFIGS)


def _compare_dependent(one: FloatArray, other: FloatArray, between: FloatArray, configs: int) -> FloatArray:
    """z for the difference of two correlations with one side in common (Meng, Rosenthal & Rubin 1992, eqs. 1 to 3)."""
    one, other = np.clip(one, -1 + 1e-12, 1 - 1e-12), np.clip(other, -1 + 1e-12, 1 - 1e-12)
    mean_square = (one**2 + other**2) / 2
    f = np.minimum((1 - between) / (2 * (1 - mean_square)), 1.0)
    h = (1 - f * mean_square) / (1 - mean_square)
    z: FloatArray = (np.arctanh(one) - np.arctanh(other)) * np.sqrt(
        (configs - 3) / np.maximum(2 * (1 - between) * h, 1e-12)
    )
    return z


def _noisy(values: FloatArray, reliability: float, rng: np.random.Generator) -> FloatArray:
    noisy: FloatArray = math.sqrt(reliability) * values
    return noisy + math.sqrt(1 - reliability) * rng.standard_normal(values.shape)


def _correlated(truth: FloatArray, rho: float, rng: np.random.Generator) -> FloatArray:
    """Means of the same spread with exactly the correlation ``rho`` with the (centred) truth."""
    other = rng.standard_normal(len(truth))
    other -= other.mean()
    other -= truth * (truth @ other) / (truth @ truth)
    found: FloatArray = rho * truth + math.sqrt(1 - rho**2) * other * math.sqrt((truth @ truth) / (other @ other))
    return found


def _measured(true_means: FloatArray, error_variance: float, dof: float, rng: np.random.Generator) -> Sides:
    """One experiment: means with noise, and an estimate of that noise."""
    means = true_means + math.sqrt(error_variance) * rng.standard_normal(true_means.shape)
    estimated = rng.chisquare(dof, len(means)) / dof if math.isfinite(dof) else np.ones(len(means))
    return Sides(means, error_variance * estimated, np.full(len(means), dof))


def _power(count: int, share: float, experiments: int) -> Power:
    return Power(count, share, math.sqrt(share * (1 - share) / experiments))


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
    quantile = float(scipy.special.stdtrit(side.dof, 1 - (1 - level) / (2 * tests)))
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
