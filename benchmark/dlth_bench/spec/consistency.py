"""Whether a result contradicts itself: accuracy, accuracies per class and numbers of samples must agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from dlth_bench.spec.result import Result

_ROUNDING = 1e-6
"""Results keep all digits; a larger difference is an edit."""


class Contradiction(NamedTuple):
    """A field of a result that contradicts the others, how, and what would be right."""

    field: str
    problem: str
    expected: str = ""


def contradictions(result: Result, classes: int, train_samples: int | None = None) -> Iterator[Contradiction]:
    """What in a finished result cannot be, as the outcome of one evaluation.

    Args:
        classes: how many the run was evaluated on.
        train_samples: how many it was trained on; None: unknown.
    """
    accuracies, counts = result.class_accuracy, result.class_counts
    if len(accuracies) != classes:
        yield Contradiction("class_accuracy", f"has {len(accuracies)} accuracies for {classes} classes")
    if len(counts) != classes or min(counts) < 0 or not sum(counts):
        yield Contradiction("class_counts", "has counts of samples that do not fit its classes")
    elif len(accuracies) == classes:
        yield from _of_classes(result)
    if result.train_accuracy is not None and train_samples and not _is_share(result.train_accuracy, train_samples):
        problem = f"has a training accuracy that is no share of its {train_samples} training samples"
        yield Contradiction("train_accuracy", problem)


def _of_classes(result: Result) -> Iterator[Contradiction]:
    counts = result.class_counts
    for index, (accuracy, count) in enumerate(zip(result.class_accuracy, counts, strict=True)):
        if not _is_share(accuracy, count):
            problem = f"has an accuracy ({accuracy:.6g} of {count}) that is no share of its class's samples"
            yield Contradiction(f"class_accuracy.{index}", problem)
    hits = math.fsum(accuracy * count for accuracy, count in zip(result.class_accuracy, counts, strict=True))
    mean = hits / sum(counts)
    if result.accuracy is None or abs(mean - result.accuracy) > _ROUNDING:
        yield Contradiction("accuracy", "has accuracies per class whose mean is not its accuracy", f"it is {mean:.6g}")


def _is_share(accuracy: float, samples: int) -> bool:
    """Whether some number of the samples is that part of them."""
    right = accuracy * samples
    return abs(right - round(right)) <= _ROUNDING * max(1.0, right)
