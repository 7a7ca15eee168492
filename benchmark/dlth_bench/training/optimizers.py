"""Optimizers, parameter groups and schedules from their spec."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import torch
from timm.optim.lars import Lars
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from dlth_bench.protocols.recipe import OptimizerSpec
from dlth_bench.training.cpu_speed.optimizers import CPUFusedAdamW, CPUFusedSGD
from dlth_bench.training.methods.method import Method, Moment


def build_optimizer(spec: OptimizerSpec, module: nn.Module, *, cpu_speed: bool = True) -> Optimizer:
    """An optimizer over the trained parameters of ``module``; its rates are set before each step by `set_rates`.

    With ``cpu_speed`` it is the faster SGD or AdamW of `cpu_speed.optimizers` for parameters on a CPU.
    """
    groups = parameter_groups(spec, module)
    fast = cpu_speed and all(parameter.device.type == "cpu" for group in groups for parameter in group["params"])
    match spec.kind:
        case "sgd":
            sparse = isinstance(module, Method) and module.sparse
            if fast and not sparse:
                return CPUFusedSGD(groups, lr=spec.lr, momentum=spec.momentum, nesterov=spec.nesterov)
            fused = not sparse
            return _start_momenta(SGD(groups, lr=spec.lr, momentum=spec.momentum, nesterov=spec.nesterov, fused=fused))
        case "adamw":
            if fast:
                return CPUFusedAdamW(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps)
            return AdamW(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=True)
        case "rmsprop":
            return RMSprop(groups, lr=spec.lr, alpha=spec.alpha, eps=spec.eps, momentum=spec.momentum)
        case "lars":
            # MAE's and SimCLR's scale weights, not 1-D parameters, by their trust ratio, with or without weight decay.
            for group in groups:
                group["always_adapt"] = group["decays"]
            clip, trust = spec.trust_clip, spec.trust_coefficient
            return Lars(groups, lr=spec.lr, momentum=spec.momentum, trust_coeff=trust, trust_clip=clip)


def _start_momenta(optimizer: SGD) -> SGD:
    """Set all momenta to zero, since a fused step can't start some later than others (prototypes fixed at first)."""
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def parameter_groups(spec: OptimizerSpec, module: nn.Module) -> list[dict[str, Any]]:
    """Groups with ``decays`` (whether weight decay applies), ``lr_scale`` (layer decay's factor) and ``scheduled``."""
    depths = _layer_depths(module) if spec.layer_decay is not None else {}
    decayed = _decayed(spec, module)
    top = max(depths.values(), default=0)
    unscheduled = module.unscheduled if isinstance(module, Method) else ()
    groups: dict[tuple[bool, float, bool], list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = name in decayed
        scale = 1.0 if spec.layer_decay is None else spec.layer_decay ** (top - depths[name])
        groups.setdefault((decays, scale, not name.startswith(unscheduled)), []).append(parameter)
    return [
        {"params": parameters, "decays": decays, "lr_scale": scale, "scheduled": scheduled}
        for (decays, scale, scheduled), parameters in groups.items()
    ]


def _decayed(spec: OptimizerSpec, module: nn.Module) -> set[str]:
    """Names of the parameters that decay: those of more than one dimension, unless the spec says otherwise."""
    norms = {
        f"{name}.{part}"
        for name, layer in module.named_modules()
        if isinstance(layer, (_NormBase, nn.LayerNorm, nn.GroupNorm))
        for part in ("weight", "bias")
    }
    decayed = set()
    for name, parameter in module.named_parameters():
        wide = name not in norms if spec.decay_all_but_norm else parameter.ndim > 1
        if (wide or spec.decay_norm_and_bias) and name.rpartition(".")[2] not in spec.no_decay:
            decayed.add(name)
    return decayed


def _layer_depths(module: nn.Module) -> dict[str, int]:
    """The layer of each parameter: 0 the embedding, i + 1 transformer block i, then norm and head (MAE, BEiT)."""
    names = [name for name, _ in module.named_parameters()]
    of_blocks = {name: int(name.split("blocks.")[1].split(".")[0]) + 1 for name in names if "blocks." in name}
    last = max(of_blocks.values(), default=0) + 1
    embedding = ("patch_embed", "cls_token", "pos_embed")
    depths = {name: 0 if any(part in name for part in embedding) else last for name in names}
    return depths | of_blocks


def learning_rate(spec: OptimizerSpec, moment: Moment) -> float:
    """The rate at a step: linear warm-up from its start, then the spec's schedule over what remains."""
    if spec.per_epoch:
        moment = moment.epoch_start
    warmup_steps = spec.warmup * moment.total
    if moment.step < warmup_steps:
        return spec.warmup_start + (spec.lr - spec.warmup_start) * moment.step / warmup_steps
    position = (moment.step - warmup_steps) / max(1.0, moment.total - warmup_steps)
    match spec.schedule:
        case "cosine":
            return spec.min_lr + (spec.lr - spec.min_lr) * 0.5 * (1 + math.cos(math.pi * position))
        case "step":
            passed = sum(position >= milestone for milestone in spec.milestones)
            return float(spec.lr * spec.gamma**passed)
        case "exponential":
            return float(spec.lr * spec.gamma ** (moment.step * (spec.stretches or 1) // moment.total))
        case "constant" | "plateau":
            return spec.lr


def plateau_drops(accuracies: Sequence[float]) -> int:
    """How often an accuracy was below the best before it, which is when a plateau schedule lowers the rate."""
    bests = accumulate(accuracies, max)
    return sum(now < best for now, best in zip(accuracies, bests, strict=True))


def weight_decay(spec: OptimizerSpec, moment: Moment) -> float:
    """The weight decay at a step: constant, or a cosine from start to end (DINO)."""
    if spec.weight_decay_end is None:
        return spec.weight_decay
    end = spec.weight_decay_end
    return end + (spec.weight_decay - end) * 0.5 * (1 + math.cos(math.pi * moment.step / moment.total))


def set_rates(spec: OptimizerSpec, optimizer: Optimizer, moment: Moment, drops: int = 0) -> None:
    """Put the step's learning rate, after the drops of a plateau schedule, and weight decay into every group."""
    lr, decay = learning_rate(spec, moment), weight_decay(spec, moment)
    if spec.schedule == "plateau":
        lr *= spec.gamma**drops
    for group in optimizer.param_groups:
        group["lr"] = (lr if group["scheduled"] else spec.lr) * group["lr_scale"]
        group["weight_decay"] = decay if group["decays"] else 0.0


@torch.no_grad()
def clip_each_gradient(parameters: Iterable[nn.Parameter], bound: float) -> None:
    """Scale each parameter's gradient to a norm of at most ``bound``, one by one as DINO does, not jointly."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients:
        scales = [(bound / (norm + 1e-6)).clamp(max=1.0) for norm in torch._foreach_norm(gradients)]
        torch._foreach_mul_(gradients, scales)


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], bound: float) -> None:
    """Scale all gradients, sparse ones too, to a joint norm of at most ``bound``, as ``clip_grad_norm_`` does."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is not None:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad)
    if gradients:
        values = [gradient.values() if gradient.is_sparse else gradient for gradient in gradients]
        norm = torch.stack([value.norm() for value in values]).norm()
        scale = (bound / (norm + 1e-6)).clamp(max=1.0)
        for value in values:
            value.mul_(scale)
