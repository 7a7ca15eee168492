"""The two sides of a comparison, subset and reference: means and seed noise of each config."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import scipy  # its parts are loaded when they are first used, so that --help does without them
from numpy.typing import ArrayLike, NDArray

from dlth_bench.protocols.measurements import ACCURACY, Metric
from dlth_bench.protocols.protocol import Reference
from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray, as_configs


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


@dataclass(frozen=True, eq=False)
class ReferenceSide:
    """Reference accuracies of some configs, in the order asked for.

    Attributes:
        scores: (configs, seeds) accuracies where all are measured, else published numbers.
        noise: for each config the standard deviation of one run that is reckoned with; None where it is unknown.
        seeds: for each config the runs behind its mean.
        note: what is taken for granted about the noise; empty if nothing is.
    """

    scores: FloatArray | Published
    noise: tuple[float | None, ...]
    seeds: tuple[int, ...]
    note: str = ""

    @property
    def exact(self) -> bool:
        """Whether the numbers are taken as free of noise because nobody says how large it is."""
        return isinstance(self.scores, Published) and not any(self.noise)


def reference_side(reference: Reference, configs: Sequence[str], metric: Metric = ACCURACY) -> ReferenceSide:
    """The reference of some configs; ``metric`` is what its values are of.

    A published number has the standard deviation that is stated with it; else the one that the protocol declares
    (``assumed_std``); else the mean of those that are stated; else none, and it is taken as exact. Each published
    number is taken for one run, so its error is that of a run.
    """
    entries = [reference.configs[config] for config in configs]
    if all(entry.accuracies for entry in entries):
        counts = tuple(len(entry.accuracies) for entry in entries)
        return ReferenceSide(padded([e.accuracies for e in entries]), tuple(e.statistics[1] for e in entries), counts)
    means, stds = zip(*(entry.statistics for entry in entries), strict=True)
    known = [std for std in stds if std is not None]
    filled, source = _fill(reference.assumed_std, known, metric)
    noise = tuple(filled if std is None else std for std in stds)
    published = Published(np.array(means), np.array(noise))
    return ReferenceSide(published, noise, (1,) * len(entries), _note(len(stds) - len(known), len(stds), source))


def _fill(assumed: float | None, known: Sequence[float], metric: Metric) -> tuple[float, str]:
    """The standard deviation of numbers that come without one, and where it is from."""
    if assumed is not None:
        return assumed, f"the protocol's declared std of {_size(assumed, metric)} is reckoned with"
    if known:
        return fmean(known), f"the mean std of the others, {_size(fmean(known), metric)}, is reckoned with"
    return 0.0, "its noise is taken as zero, no ceiling is known"


def _size(std: float, metric: Metric) -> str:
    unit = {"fraction": " points", "events": " events", "ratio": ""}[metric.unit]
    return f"{metric.shown(std):.2g}{unit}"


def _note(without: int, configs: int, source: str) -> str:
    if not without:
        return ""
    if without == configs:
        return f"the reference has no spread over seeds: {source}"
    return f"{without} of {configs} reference accuracies are printed without a spread: {source}"


_MOST_DOF = 1e4
"""Prior degrees of freedom from which on the configs' variances count as equal."""


@dataclass(frozen=True)
class SeedNoise:
    """Standard deviation of one run of a config over seeds.

    Attributes:
        std: in the unit of the accuracies.
        dof: degrees of freedom behind it, those lent by the other configs included.
    """

    std: float
    dof: float


def seed_noise(accuracies: Mapping[str, Sequence[float]], resolution: float = 0.0) -> dict[str, SeedNoise]:
    """The moderated seed noise of every config that has a run; empty when no config has two.

    Args:
        accuracies: one value a seed, by config.
        resolution: the step in which accuracies come (one over the validation samples): what rounding adds to the
            variance, resolution²/12, is its floor, since equal accuracies do not mean that there is no noise.
    """
    floor = max(resolution**2 / 12, 1e-12)
    own = {name: (_variance(values, floor), len(values) - 1.0) for name, values in accuracies.items() if values}
    known = [(variance, dof) for variance, dof in own.values() if dof > 0]
    if not known:
        return {}
    prior, prior_dof = _prior(np.array(known)[:, 0], np.array(known)[:, 1])
    total = sum(dof for _, dof in known)  # all that was measured; the prior cannot lend more
    return {
        name: SeedNoise(math.sqrt(prior + (variance - prior) * dof / (prior_dof + dof)), min(prior_dof + dof, total))
        for name, (variance, dof) in own.items()
    }


def _variance(values: Sequence[float], floor: float) -> float:
    return max(float(np.var(values, ddof=1)), floor) if len(values) > 1 else floor


def _prior(variances: FloatArray, dofs: FloatArray) -> tuple[float, float]:
    """Common variance and its degrees of freedom, inf where nothing but chance sets the configs apart."""
    logs = np.log(variances) - scipy.special.psi(dofs / 2) + np.log(dofs / 2)
    mean = float(logs.mean())
    spread = float(logs.var(ddof=1) - scipy.special.polygamma(1, dofs / 2).mean()) if len(logs) > 1 else 0.0
    if spread <= scipy.special.polygamma(1, _MOST_DOF / 2):
        return float((variances * dofs).sum() / dofs.sum()), math.inf
    prior_dof = 2 * scipy.optimize.brentq(lambda half: scipy.special.polygamma(1, half) - spread, 1e-3, _MOST_DOF)
    return math.exp(mean + float(scipy.special.psi(prior_dof / 2)) - math.log(prior_dof / 2)), float(prior_dof)
