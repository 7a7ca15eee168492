"""Magnitude scores: the absolute value of each weight (Han et al. 2015; Frankle and Carbin 2019)."""

from __future__ import annotations

from torch import Tensor

from dlth_bench.training.methods.base import Method
from dlth_bench.training.pruning.masks import prunable_weights


def magnitude_scores(method: Method) -> dict[str, Tensor]:
    """By name of the weight, a score of its shape."""
    return {name: weight.detach().abs() for name, weight in prunable_weights(method).items()}
