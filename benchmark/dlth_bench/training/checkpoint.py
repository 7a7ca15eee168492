"""Checkpoints as one safetensors file: tensors, and a JSON header for the numbers. Never pickle.

A file is written to a temporary name, flushed to disk and renamed, so that a kill at any moment leaves either the
old checkpoint or the new one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from dlth_bench.runs.run import TRAINING_VERSION
from dlth_bench.util.files import write_atomically


def save_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors with a JSON-able header."""
    unaliased = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(unaliased, metadata={"json": json.dumps(header)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and header of a file; None when there is no such file or it is not a whole one."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["json"])
            names = file.keys()  # a safetensors file is not a mapping
            return {name: file.get_tensor(name) for name in names}, header  # not iterable itself
    except (SafetensorError, KeyError, TypeError, ValueError):
        return None


def training_state(module: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Everything that training changes, as flat names to tensors."""
    state = {f"module/{name}": tensor for name, tensor in module.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        state.update({f"optimizer/{index}/{slot}": value for slot, value in slots.items() if value is not None})
    return state


def restore_training_state(module: nn.Module, optimizer: Optimizer, state: dict[str, Tensor]) -> None:
    """The inverse of `training_state`, into a module and optimizer built from the same spec."""
    module.load_state_dict({key.removeprefix("module/"): t for key, t in state.items() if key.startswith("module/")})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        if key.startswith("optimizer/"):
            _, index, slot = key.split("/")
            like = parameters[int(index)]
            # Fused optimizers walk raw memory: a slot must have the memory layout of its parameter.
            laid_out = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
            slots.setdefault(int(index), {})[slot] = laid_out
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def usable(header: dict[str, Any]) -> bool:
    """Whether a file was written by this version of the training loop; training does not go on across versions."""
    return header.get("training_version") == TRAINING_VERSION
