"""The teacher-student perceptron simulated: students of several rules on full data and on subsets of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from dlth_bench.theory.overlap import Selection, generalisation_error, max_margin_overlap, ridge_overlap

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
