"""The straight line between two trained networks and the error on it (Frankle et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def interpolated(one: Weights, other: Weights, alpha: float) -> Weights:
    """``(1 - alpha) * one + alpha * other``: weights, and the running statistics of batch norms.

    Whole numbers, such as the batches that a norm has seen, are those of ``one``. At 0 and 1 the ends come out exactly.
    """
    return {
        name: torch.lerp(tensor, other[name], alpha) if tensor.is_floating_point() else tensor.clone()
        for name, tensor in one.items()
    }


def places(points: int) -> list[float]:
    """Evenly spaced places on the line from 0 to 1, both included."""
    return [index / (points - 1) for index in range(points)]


def errors_on_path(one: Weights, other: Weights, points: int, error: Callable[[Weights], float]) -> list[float]:
    """The error at each of the places; ``error`` is that of given weights."""
    return [error(interpolated(one, other, alpha)) for alpha in places(points)]


def barrier(errors: Sequence[float]) -> float:
    """The highest error on the path less the mean of its ends; 0 or more, since the ends are on it."""
    return max(errors) - (errors[0] + errors[-1]) / 2
