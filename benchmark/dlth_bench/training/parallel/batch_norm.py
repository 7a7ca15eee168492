"""Batch norm whose statistics are those of the samples of all processes of a run, on any device."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from dlth_bench.util.errors import InputError


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


class _OverProcesses(torch.autograd.Function):
    """Batch norm by the mean and variance of the samples of all processes, each holding a part of any size."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Normalised inputs (batch, channels, ...), and mean, biased variance and number of values a channel."""
        channels = inputs.shape[1]
        own_var, own_mean = torch.var_mean(inputs.float(), _all_but_channels(inputs), correction=0)
        own_count = own_mean.new_tensor([inputs.numel() // channels])
        own = torch.cat([own_mean, own_var, own_count])
        every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own)
        means, variances, counts = torch.split(torch.stack(every), [channels, channels, 1], dim=1)
        count = counts.sum()
        mean = (means * counts).sum(0) / count
        variance = ((variances + (means - mean).square()) * counts).sum(0) / count
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(inputs, weight, mean, scale, count)
        normalized = (inputs - _as(mean, inputs)) * _as(scale, inputs)
        if weight is not None and bias is not None:
            normalized = normalized * _as(weight, inputs) + _as(bias, inputs)
        ctx.mark_non_differentiable(mean, variance, count)
        return normalized.to(inputs.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, scale, count = ctx.saved_tensors
        gradient = gradient.float()
        normalized = (inputs - _as(mean, inputs)) * _as(scale, inputs)
        over = _all_but_channels(inputs)
        own = torch.stack([gradient.sum(over), (gradient * normalized).sum(over)])
        means = own.clone()
        dist.all_reduce(means)
        means /= count
        centred = gradient - _as(means[0], inputs) - normalized * _as(means[1], inputs)
        slope = scale if weight is None else scale * weight
        of_weight, of_bias = (None, None) if weight is None else (own[1], own[0])
        return (centred * _as(slope, inputs)).to(inputs.dtype), of_weight, of_bias, None


def _all_but_channels(inputs: Tensor) -> list[int]:
    return [dim for dim in range(inputs.ndim) if dim != 1]


def _as(channel_values: Tensor, inputs: Tensor) -> Tensor:
    """Values (channels,) in a shape that goes with (batch, channels, ...)."""
    return channel_values.view(1, -1, *(1,) * (inputs.ndim - 2))


def _over_processes(layer: nn.modules.batchnorm._BatchNorm, inputs: Tensor) -> Tensor:
    """The layer's output in training, and its running statistics moved on, as if one process had all samples."""
    outputs, mean, variance, count = _OverProcesses.apply(inputs, layer.weight, layer.bias, layer.eps)
    if layer.track_running_stats and layer.running_mean is not None and layer.running_var is not None:
        with torch.no_grad():
            momentum = layer.momentum
            if layer.num_batches_tracked is not None:
                layer.num_batches_tracked.add_(1)
                momentum = 1 / float(layer.num_batches_tracked) if momentum is None else momentum
            layer.running_mean.lerp_(mean, momentum or 0.0)
            layer.running_var.lerp_(variance * count / (count - 1), momentum or 0.0)
    return outputs  # type: ignore[no-any-return]


class _GlobalBatchNorm1d(nn.BatchNorm1d):
    def forward(self, input: Tensor) -> Tensor:
        return _over_processes(self, input) if self.training else super().forward(input)


class _GlobalBatchNorm2d(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return _over_processes(self, input) if self.training else super().forward(input)


class _GlobalBatchNormAct2d(BatchNormAct2d):
    def forward(self, x: Tensor) -> Tensor:
        normalized = _over_processes(self, x) if self.training else super().forward(x)  # type: ignore[no-untyped-call]
        return self.act(self.drop(normalized)) if self.training else normalized


_GLOBAL: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _GlobalBatchNorm1d,
    nn.BatchNorm2d: _GlobalBatchNorm2d,
    BatchNormAct2d: _GlobalBatchNormAct2d,
}


def join_batch_norms(network: nn.Module) -> None:
    """Let every batch norm see the samples of all processes, in place; weights, names and options stay.

    Those in groups, which are of one process each, stay as they are. torch's own ``SyncBatchNorm`` is for GPUs alone.

    Raises:
        InputError: for a network with a batch norm of another kind.
    """
    for layer in network.modules():
        kind = _GLOBAL.get(type(layer))
        if kind is not None:
            layer.__class__ = kind
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm) and not isinstance(
            layer, (GroupedBatchNorm2d, *_GLOBAL.values())
        ):
            raise InputError(f"several devices need plain batch norms; this network has {type(layer).__name__}")
