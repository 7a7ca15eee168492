"""A mask as a safetensors file: one bit a weight, and the shapes in the header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dlth_bench.training.checkpoint import load_tensors, save_tensors
from dlth_bench.training.pruning.masks import Mask, packed, unpacked

SHAPES = "shapes"
"""Key of the header: the shape of each mask, by name in the mask's order."""


def save_mask(path: Path, mask: Mask, header: dict[str, Any]) -> None:
    """Write a mask with a JSON-able header, whole or not at all."""
    shapes = {name: list(live.shape) for name, live in mask.live.items()}
    tensors = {name: packed(live) for name, live in mask.live.items()}
    save_tensors(path, tensors, header | {SHAPES: shapes})


def load_mask(path: Path) -> tuple[Mask, dict[str, Any]] | None:
    """Mask and header of a file; None when there is no such file or it is not a whole one."""
    loaded = load_tensors(path)
    if loaded is None:
        return None
    tensors, header = loaded
    try:
        shapes = header.pop(SHAPES)
        live = {name: unpacked(tensors[name], torch.Size(shape)) for name, shape in shapes.items()}
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
        return None
    return Mask(live), header
