"""One side of a comparison: what is known of each config's accuracy, from runs or from published numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray, as_configs
from dlth_bench.spec.metric import Metric


@dataclass(frozen=True, eq=False)
class Side:
    """Accuracies of one side, reduced to what the statistics need. All in the accuracies' own unit.

    The seed noise is taken to be the same for all configs of a side: three seeds say next to nothing about the
    variance of one config, seven times three say enough.

    Attributes:
        means: (configs,) mean over seeds.
        run_variance: variance of a single run around its config's true mean; nan if no config has two runs.
        seeds: runs behind a mean (the harmonic mean over configs, since 1/n is what enters variances).
        dof: degrees of freedom behind ``run_variance``; inf if it is given, 0 if it is unknown.
    """

    means: FloatArray
    run_variance: float
    seeds: float
    dof: float

    @property
    def error_variance(self) -> float:
        """Variance of a config's mean around the true one."""
        return self.run_variance / self.seeds

    @property
    def standard_error(self) -> float:
        """Standard deviation of a config's mean around the true one."""
        return math.sqrt(self.error_variance)

    def oriented(self, metric: Metric) -> Side:
        """The side with its means' signs such that higher is better, for what speaks of a best config."""
        return self if metric.direction == "higher" else replace(self, means=-self.means)


@dataclass(frozen=True, eq=False)
class Sides:
    """Several sides over the same configs, stacked so that all are resampled at once.

    Attributes:
        means: (sides, configs) mean over seeds.
        error_variance: (sides,) variance of a config's mean around the true one; nan where the noise is unknown.
        dof: (sides,) degrees of freedom behind it; inf where it is given, 0 where it is unknown.
    """

    means: FloatArray
    error_variance: FloatArray
    dof: FloatArray


def stack(sides: Sequence[Side]) -> Sides:
    """Stack sides with the same number of configs."""
    return Sides(
        np.stack([side.means for side in sides]),
        np.array([side.error_variance for side in sides]),
        np.array([side.dof for side in sides]),
    )


@dataclass(frozen=True, eq=False)
class Published:
    """Accuracies known only as printed: a mean and a standard deviation a config.

    Attributes:
        means: (configs,) printed accuracies.
        stds: (configs,) standard deviation of one run; 0 takes the printed number as the truth.
        seeds: runs behind each printed mean. With 1, ``stds`` is taken as known rather than estimated.
    """

    means: ArrayLike
    stds: ArrayLike
    seeds: int = 1


def summarise(scores: ArrayLike | Published, name: str) -> Side:
    """Reduce runs or published numbers to a `Side`.

    Args:
        scores: (configs, seeds) accuracies with nan for a missing run, or `Published` numbers.
        name: how errors call this side.

    Raises:
        ValueError: naming the side, on a wrong shape, an infinity, fewer than 3 configs, a config without any run,
            a negative std, or seeds < 1.
    """
    return _summarise_published(scores, name) if isinstance(scores, Published) else _summarise_runs(scores, name)


def padded(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Accuracies (configs, seeds) from one sequence a config, nan where one is shorter than the longest."""
    width = max(len(row) for row in rows)
    return np.array([list(row) + [math.nan] * (width - len(row)) for row in rows], dtype=np.float64)


def check_same_configs(subset: Side, reference: Side) -> None:
    """Raise ValueError if the two sides have different numbers of configs."""
    if len(subset.means) != len(reference.means):
        raise ValueError(f"subset has {len(subset.means)} configs but reference has {len(reference.means)}")


def _summarise_runs(scores: ArrayLike, name: str) -> Side:
    runs = np.asarray(scores, dtype=np.float64)
    if runs.ndim != 2:
        raise ValueError(f"{name}: expected shape (configs, seeds), got {runs.shape}")
    if len(runs) < MINIMUM_CONFIGS:
        raise ValueError(f"{name}: {len(runs)} configs, a correlation needs at least {MINIMUM_CONFIGS}")
    if np.isinf(runs).any():
        raise ValueError(f"{name}: config {int(np.argwhere(np.isinf(runs))[0][0])} has an infinite accuracy")
    present = ~np.isnan(runs)
    counts = present.sum(1)
    if (counts == 0).any():
        raise ValueError(f"{name}: config {int(np.argmin(counts))} has no run; leave it out on both sides")
    means = np.where(present, runs, 0.0).sum(1) / counts
    dof = int((counts - 1).sum())
    deviations = np.where(present, runs - means[:, None], 0.0)
    variance = float((deviations**2).sum()) / dof if dof else math.nan
    return Side(means, variance, _harmonic_mean(counts), float(dof))


def _summarise_published(numbers: Published, name: str) -> Side:
    means = as_configs(numbers.means, f"{name}.means", ndim=1)
    stds = as_configs(numbers.stds, f"{name}.stds", ndim=1)
    if len(means) != len(stds):
        raise ValueError(f"{name}: {len(means)} means but {len(stds)} stds")
    if (stds < 0).any():
        raise ValueError(f"{name}.stds: config {int(np.argmin(stds))} has a negative std")
    if numbers.seeds < 1:
        raise ValueError(f"{name}.seeds: {numbers.seeds}, at least 1 run is behind a number")
    estimated = numbers.seeds > 1 and bool((stds > 0).any())
    dof = float(len(means) * (numbers.seeds - 1)) if estimated else math.inf
    return Side(means, float((stds**2).mean()), float(numbers.seeds), dof)


def _harmonic_mean(counts: NDArray[np.int_]) -> float:
    return float(1.0 / (1.0 / counts).mean())
