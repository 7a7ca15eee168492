"""Dynamics made by hand, as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlth_bench.runs.dynamics_file import Dynamics, DynamicsHeader, read_dynamics, write_dynamics

CLASSES = ("U+0041", "U+0042", "U+0043")


def sample_ids(labels: Sequence[int]) -> list[str]:
    """IDs such as ``U+0041/face3``."""
    return [f"{CLASSES[label]}/face{number}" for number, label in enumerate(labels)]


def made(
    path: Path,
    correct: Sequence[Sequence[int]],
    labels: Sequence[int] | None = None,
    *,
    config: str = "made",
    seed: int = 0,
    tensors: Mapping[str, npt.NDArray[Any]] | None = None,
    **header: Any,
) -> Dynamics:
    """Dynamics with these rows of correctness, one an epoch."""
    own = [0] * len(correct[0]) if labels is None else labels
    told = DynamicsHeader(**({"dataset": "glyphs", "class_ids": CLASSES, "config": config, "seed": seed} | header))
    rows = {"correct": np.array(correct, dtype=np.uint8)}
    write_dynamics(path, told, sample_ids(own), np.array(own), rows | dict(tensors or {}))
    return read_dynamics(path)
