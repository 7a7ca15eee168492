"""What processes of one run exchange; in a single process each function returns what it is given."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """How many processes train this run together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gathered(tensor: Tensor) -> Tensor:
    """The equally long parts (batch, ...) of all processes, concatenated in order of rank; without gradient."""
    if processes() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(processes())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def own_part(tensor: Tensor) -> Tensor:
    """This process's part of what `gathered` gives."""
    return tensor if processes() == 1 else tensor.chunk(processes())[dist.get_rank()]


def agreed_permutation(count: int, device: torch.device) -> Tensor:
    """A random order of ``count`` places, the same in all processes, from torch's global CPU generator."""
    order = torch.randperm(count).to(device)
    if processes() > 1:
        dist.broadcast(order, src=0)
    return order
