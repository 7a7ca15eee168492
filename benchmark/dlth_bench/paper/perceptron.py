"""The teacher-student perceptron of the DLTH paper's appendix F.1: simulated, and solved for many dimensions.

Inputs are standard normal in N dimensions, labels the sign of the teacher's field, and P = alpha N samples are kept. A
subset of small margins keeps those with the smallest |z|, z the field of a unit probe at an angle to the teacher.
In the plane of probe and teacher all is a one-dimensional integral; across it the inputs stay normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.integrate import quad
from scipy.optimize import brentq, nnls
from scipy.special import ndtr, ndtri

from dlth_bench.scoring.correlation import correlate

_TAIL = 12.0
"""Standard deviations beyond which a normal density is 0 in double precision."""


@dataclass(frozen=True)
class Selection:
    """What is kept: a share of all samples, at random or by small margin.

    Attributes:
        kept: in (0, 1].
        by_margin: whether the smallest |z| are kept; else a random share.
        angle: between probe and teacher, in radians, from 0 to pi / 2; of no account for a random share.
    """

    kept: float = 1.0
    by_margin: bool = False
    angle: float = 0.0


@dataclass(frozen=True)
class _Moments:
    """Of the kept samples along the probe (first) and across it in the teacher's plane (second).

    Attributes:
        teacher: its direction.
        variance: of the inputs.
        slope: of the best linear fit to the labels: covariance with the label over variance.
    """

    teacher: tuple[float, float]
    variance: tuple[float, float]
    slope: tuple[float, float]


def generalisation_error(overlap: float) -> float:
    """The share of new samples that student and teacher label differently: arccos(R) / pi."""
    return math.acos(max(-1.0, min(1.0, overlap))) / math.pi


def ridge_overlap(alpha: float, penalty: float, selection: Selection | None = None) -> float:
    """R of the student w = (X'X / P + penalty)^-1 X'y / P; an infinite penalty is the Hebb rule.

    By the deterministic equivalent of a sample covariance: a penalty acts on the population's covariance as a larger
    one, which solves ``k - penalty = k / (1 + k) / alpha`` (Hastie et al. 2022). For the Hebb rule on all data it is
    sqrt(2 alpha / (2 alpha + pi)).

    Args:
        alpha: samples kept over dimensions.
        penalty: 0 is the limit of a vanishing one, the fit of least norm.
    """
    moments = _moments(selection or Selection())
    signal = [t * b for t, b in zip(moments.teacher, moments.slope, strict=True)]
    power = [b * b for b in moments.slope]
    residual = 1 - sum(p * v for p, v in zip(power, moments.variance, strict=True))
    if math.isinf(penalty):  # weights times the penalty
        along = sum(s * v for s, v in zip(signal, moments.variance, strict=True))
        length = sum(p * v * v for p, v in zip(power, moments.variance, strict=True)) + 1 / alpha
        return along / math.sqrt(length)
    k = _effective_penalty(alpha, penalty)
    shrunk = [v / (v + k) for v in moments.variance]
    along = sum(s * h for s, h in zip(signal, shrunk, strict=True))
    mean_square = sum(p * h * h for p, h in zip(power, shrunk, strict=True))
    bias = sum(p * v * (k / (v + k)) ** 2 for p, v in zip(power, moments.variance, strict=True))
    spread = 1 / alpha / (1 + k) ** 2
    if spread >= 1:  # as many samples as dimensions, and no penalty: the weights grow without bound
        return 0.0
    return along / math.sqrt(mean_square + (residual + bias) * spread / (1 - spread))


def max_margin_overlap(alpha: float) -> float:
    """R of the student of largest margin on all, or randomly chosen, data.

    With margin m and s = sqrt(1 - R^2), standard normal density n and distribution N (Opper et al. 1990; Sorscher et
    al. 2022, appendix)::

        R = 2 alpha / sqrt(2 pi) (m N(m / s) + s n(m / s))
        s^2 = 2 alpha * integral of n(t) N(R t / s) (m - t)^2 over t < m
    """

    def margin_at(overlap: float) -> float:
        s = math.sqrt(1 - overlap**2)

        def excess(m: float) -> float:
            pull = m * float(ndtr(m / s)) + s * _normal(m / s)
            return 2 * alpha / math.sqrt(2 * math.pi) * pull - overlap

        return float(brentq(excess, 0.0, overlap * math.sqrt(2 * math.pi) / alpha, xtol=1e-14))

    def left_over(overlap: float) -> float:
        s, m = math.sqrt(1 - overlap**2), margin_at(overlap)
        # Where the integrand is not 0, or quad may step over it.
        low, high = max(-_TAIL, -_TAIL * s / overlap), min(m, _TAIL)
        lacking = quad(lambda t: _normal(t) * float(ndtr(overlap * t / s)) * (m - t) ** 2, low, high, limit=200)[0]
        return float(s**2 - 2 * alpha * lacking)

    # Below the first of these the margin would be negative.
    least = alpha / math.hypot(alpha, math.pi)
    return float(brentq(left_over, least + 1e-12, 1 - 1e-9))


def _effective_penalty(alpha: float, penalty: float) -> float:
    """The root k > 0 of ``k - penalty = k / (1 + k) / alpha``; 0 for a vanishing penalty and enough samples."""
    if penalty == 0:
        return max(0.0, 1 / alpha - 1)
    return float(brentq(lambda k: k - penalty - k / (1 + k) / alpha, 0.0, penalty + 1 / alpha))


def _moments(selection: Selection) -> _Moments:
    if not selection.by_margin or selection.kept == 1:
        return _Moments((1.0, 0.0), (1.0, 1.0), (math.sqrt(2 / math.pi), 0.0))
    cosine, sine = math.cos(selection.angle), math.sin(selection.angle)
    cut = float(ndtri((1 + selection.kept) / 2))

    def mean(function_of_z: Callable[[float], float]) -> float:
        return float(2 * quad(lambda z: _normal(z) * function_of_z(z), 0, cut)[0] / selection.kept)

    def sign(z: float) -> float:
        """Mean label at z."""
        return 1.0 if sine < 1e-12 else 2 * float(ndtr(z * cosine / sine)) - 1

    variance = mean(lambda z: z * z)
    along = mean(lambda z: z * sign(z))
    across = 0.0 if sine < 1e-12 else mean(lambda z: 2 * _normal(z * cosine / sine))
    return _Moments((cosine, sine), (variance, 1.0), (along / variance, across))


def _normal(t: float) -> float:
    """The standard normal density."""
    return math.exp(-t * t / 2) / math.sqrt(2 * math.pi)


Floats = npt.NDArray[np.float64]

_NO_PENALTY = 1e-9
"""Stands for a vanishing penalty in the simulation: far below the least eigenvalue, far above rounding."""


@dataclass(frozen=True)
class Rule:
    """How a student is trained: a config of the simulated grid.

    Attributes:
        penalty: of ridge regression on the labels; inf: the Hebb rule; 0: least norm; None: largest margin.
    """

    name: str
    penalty: float | None


RULES: tuple[Rule, ...] = (
    Rule("Hebb", math.inf),
    Rule("ridge 3", 3.0),
    Rule("ridge 1", 1.0),
    Rule("ridge 0.3", 0.3),
    Rule("ridge 0.1", 0.1),
    Rule("least norm", 0.0),
    Rule("max margin", None),
)


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes:
        dimensions: N.
        alpha: samples of the full data over dimensions.
        kept: shares of the full data that subsets keep.
        angle: between probe and teacher, in radians.
    """

    dimensions: int = 100
    alpha: float = 10.0
    kept: tuple[float, ...] = (0.5, 0.2, 0.1)
    angle: float = math.radians(20)

    @property
    def selections(self) -> Mapping[str, Selection]:
        """The full data, then subsets of small margins, then random ones of the same sizes, by name."""
        margins = {
            f"margin {100 * share:g} %": Selection(share, by_margin=True, angle=self.angle) for share in self.kept
        }
        randoms = {f"random {100 * share:g} %": Selection(share) for share in self.kept}
        return {"full data": Selection(), **margins, **randoms}

    def samples(self, selection: Selection) -> int:
        return round(selection.kept * self.alpha * self.dimensions)


def analytic_error(setting: Setting, selection: Selection, rule: Rule) -> float | None:
    """The student's error in the limit of many dimensions; None where no solution is at hand."""
    alpha = selection.kept * setting.alpha
    if rule.penalty is not None:
        return generalisation_error(ridge_overlap(alpha, rule.penalty, selection))
    return None if selection.by_margin and selection.kept < 1 else generalisation_error(max_margin_overlap(alpha))


def simulated(setting: Setting, rules: Sequence[Rule], seeds: Sequence[int]) -> Iterator[dict[str, list[float]]]:
    """For one seed after the other, the error of each rule's student by name of the selection.

    Its error is that on all new samples, arccos(R) / pi, and not one of a finite test set.
    """
    for seed in seeds:
        yield _one_seed(setting, rules, np.random.default_rng(seed))


def _one_seed(setting: Setting, rules: Sequence[Rule], rng: np.random.Generator) -> dict[str, list[float]]:
    count = round(setting.alpha * setting.dimensions)
    inputs = rng.standard_normal((count, setting.dimensions))
    # The first axis is the teacher, the first two hold the probe: a turn of the space changes nothing.
    labels = np.where(inputs[:, 0] >= 0, 1.0, -1.0)
    fields = math.cos(setting.angle) * inputs[:, 0] + math.sin(setting.angle) * inputs[:, 1]
    by_margin, at_random = np.argsort(np.abs(fields), kind="stable"), rng.permutation(count)
    found = {}
    for name, selection in setting.selections.items():
        chosen = (by_margin if selection.by_margin else at_random)[: setting.samples(selection)]
        found[name] = [_error(student) for student in _students(inputs[chosen], labels[chosen], rules)]
    return found


def _students(inputs: Floats, labels: Floats, rules: Sequence[Rule]) -> Iterator[Floats]:
    """The weights of each rule's student; all penalties share one decomposition."""
    left, values, right = np.linalg.svd(inputs / math.sqrt(len(labels)), full_matrices=False)
    fitted = left.T @ labels / math.sqrt(len(labels))
    for rule in rules:
        if rule.penalty is None:
            yield _max_margin(inputs, labels)
        elif math.isinf(rule.penalty):
            yield right.T @ (values * fitted)
        else:
            yield right.T @ (values / (values**2 + max(rule.penalty, _NO_PENALTY)) * fitted)


def _max_margin(inputs: Floats, labels: Floats) -> Floats:
    """The shortest weights whose margins are all 1 or more: least distance programming (Lawson & Hanson 1974, ch. 23).

    The teacher is such weights but for their length, so there always are some.
    """
    margins = inputs * labels[:, None]
    system = np.concatenate([margins, np.ones((len(labels), 1))], axis=1).T
    target = np.zeros(len(system))
    target[-1] = 1.0
    multipliers, _ = nnls(system, target)
    residual = system @ multipliers - target
    weights: Floats = -residual[:-1] / residual[-1]
    return weights


def _error(student: Floats) -> float:
    return generalisation_error(float(student[0] / np.linalg.norm(student)))


FULL = "full data"


@dataclass(frozen=True)
class Line:
    """One selection: an error for each rule.

    Attributes:
        samples: kept samples.
        mean, std: over seeds; the spread is nan for one seed.
        analytic: in the limit of many dimensions; None where no solution is at hand.
        pearson, spearman: of the mean errors with those of the full data; nan for constant ones.
    """

    name: str
    samples: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    analytic: tuple[float | None, ...]
    pearson: float
    spearman: float


def lines(setting: Setting, rules: Sequence[Rule], errors: Sequence[Mapping[str, Sequence[float]]]) -> list[Line]:
    """One line a selection, the full data's first.

    Args:
        errors: of each seed, as `perceptron.simulated` gives them.
    """
    runs = {name: np.array([seed[name] for seed in errors]) for name in setting.selections}
    full = runs[FULL].mean(0)
    found = []
    for name, selection in setting.selections.items():
        mean = runs[name].mean(0)
        spread = runs[name].std(0, ddof=1) if len(errors) > 1 else np.full(len(mean), math.nan)
        found.append(
            Line(
                name=name,
                samples=setting.samples(selection),
                mean=tuple(mean.tolist()),
                std=tuple(spread.tolist()),
                analytic=tuple(analytic_error(setting, selection, rule) for rule in rules),
                pearson=float(correlate(mean, full, "pearson")),
                spearman=float(correlate(mean, full, "spearman")),
            )
        )
    return found


def document(setting: Setting, rules: Sequence[Rule], found: Sequence[Line], seeds: Sequence[int]) -> dict[str, Any]:
    """The same as JSON; null stands for what is not known."""
    return {
        "dimensions": setting.dimensions,
        "samples_per_dimension": setting.alpha,
        "probe_angle_degrees": round(math.degrees(setting.angle), 6),
        "seeds": list(seeds),
        "rules": [rule.name for rule in rules],
        "lines": [
            {
                "data": line.name,
                "samples": line.samples,
                "error": list(line.mean),
                "std": [None if math.isnan(value) else value for value in line.std],
                "analytic_error": list(line.analytic),
                "pearson": None if math.isnan(line.pearson) else line.pearson,
                "spearman": None if math.isnan(line.spearman) else line.spearman,
            }
            for line in found
        ],
    }
