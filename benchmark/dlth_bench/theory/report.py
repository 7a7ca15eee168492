"""What a simulation amounts to: errors with their spread, and how alike subsets and full data rank the rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlth_bench.scoring.correlation import correlate
from dlth_bench.theory.perceptron import Rule, Setting, analytic_error

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
