"""Batch norm whose statistics are those of a part of the batch, as on several GPUs without synchronisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.spec.errors import InputError


class GroupedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over consecutive parts of the batch, ``groups`` of equal size.

    In training each part is normalised by its own mean and variance. The running statistics, which evaluation uses,
    are those of the first part alone: with one process a GPU, they are the first process's.
    """

    groups: int = 1

    def forward(self, images: Tensor) -> Tensor:
        if not self.training or self.groups == 1:
            return super().forward(images)
        if len(images) % self.groups:
            raise ValueError(f"a batch of {len(images)} does not split into {self.groups} batch-norm groups")
        first, *others = images.chunk(self.groups)
        parts = [super().forward(first)]
        parts += [
            F.batch_norm(part, None, None, self.weight, self.bias, training=True, eps=self.eps) for part in others
        ]
        return torch.cat(parts)


def group_batch_norms(module: nn.Module, groups: int) -> None:
    """Turn every batch norm of ``module`` into one of ``groups`` groups, in place; weights and names stay.

    Raises:
        InputError: for a network with another kind of batch norm, which would go on to see the whole batch.
    """
    for name, layer in module.named_children():
        if type(layer) is nn.BatchNorm2d:
            grouped = GroupedBatchNorm2d(layer.num_features, eps=layer.eps, momentum=layer.momentum)
            grouped.load_state_dict(layer.state_dict())
            grouped.groups = groups
            setattr(module, name, grouped)
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise InputError(f"batch_norm_groups needs plain batch norms; this backbone has {type(layer).__name__}")
        else:
            group_batch_norms(layer, groups)


def regroup(module: nn.Module, groups: int) -> None:
    """Give the grouped batch norms of ``module`` another number of groups."""
    for layer in module.modules():
        if isinstance(layer, GroupedBatchNorm2d):
            layer.groups = groups
