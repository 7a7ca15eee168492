"""torch's fused AdamW on a CPU, without what torch asks and gathers anew at every step.

For networks of a few hundred thousand weights that takes longer than the update: torch looks for an accelerator, walks
all parameters and keeps a step counter for each. Here lists are gathered when other parameters than before have
gradients, and those that began together share one counter.
The kernel, its arguments and the state are torch's, so that weights and checkpoints are the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import SGD, AdamW


class _AdamGroup(NamedTuple):
    """The parameters of a group that have gradients, and their state."""

    live: tuple[bool, ...]
    """Which parameters of the group they are."""
    parameters: list[Tensor]
    averages: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]
    """The counter of each parameter; several may be the same tensor."""
    counters: list[Tensor]
    """Each counter once."""


class CPUFusedAdamW(AdamW):
    """As ``AdamW(..., fused=True)`` for parameters on a CPU."""

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, lr=lr, betas=betas, eps=eps, fused=True)
        self._step_supports_amp_scaling = False  # a gradient scaler then unscales gradients itself
        self._moving: list[_AdamGroup | None] = [None] * len(self.param_groups)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # a loss is not for it
        """Update all parameters that have gradients."""
        for number, group in enumerate(self.param_groups):
            gradients = [parameter.grad for parameter in group["params"]]
            live = tuple([gradient is not None for gradient in gradients])
            moving = self._moving[number]
            if moving is None or moving.live != live:
                moving = self._moving[number] = self._gather(group["params"], live)
            if not moving.parameters:
                continue
            for counter in moving.counters:
                counter += 1
            beta1, beta2 = group["betas"]
            torch._fused_adamw_(
                moving.parameters,
                [gradient for gradient in gradients if gradient is not None],
                moving.averages,
                moving.squares,
                [],
                moving.steps,
                amsgrad=False,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._moving = [None] * len(self.param_groups)

    def _gather(self, parameters: list[Tensor], live: tuple[bool, ...]) -> _AdamGroup:
        moving = [parameter for parameter, has_gradient in zip(parameters, live, strict=True) if has_gradient]
        counters: dict[float, Tensor] = {}
        for parameter in moving:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            # A counter of their own: those that have no gradient now may share the old one.
            state["step"] = counters.setdefault(float(state["step"]), state["step"].clone())
        averages, squares, steps = (
            [self.state[parameter][slot] for parameter in moving] for slot in ("exp_avg", "exp_avg_sq", "step")
        )
        return _AdamGroup(live, moving, averages, squares, steps, list(counters.values()))


class _SGDGroup(NamedTuple):
    """The parameters of a group that have gradients, and their momenta; without momentum none."""

    live: tuple[bool, ...]
    """Which parameters of the group they are."""
    parameters: list[Tensor]
    momenta: list[Tensor]


class CPUFusedSGD(SGD):
    """As ``SGD(..., fused=True)`` for parameters on a CPU with dense gradients, and momenta that begin at zero.

    torch begins a momentum with the first gradient, which is the same, but cannot begin some later than others.
    """

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, momentum: float, nesterov: bool) -> None:
        super().__init__(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)
        self._step_supports_amp_scaling = False  # a gradient scaler then unscales gradients itself
        self._moving: list[_SGDGroup | None] = [None] * len(self.param_groups)
        for group in self.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # a loss is not for it
        """Update all parameters that have gradients."""
        for number, group in enumerate(self.param_groups):
            gradients = [parameter.grad for parameter in group["params"]]
            live = tuple([gradient is not None for gradient in gradients])
            moving = self._moving[number]
            if moving is None or moving.live != live:
                moving = self._moving[number] = self._gather(group, live)
            if not moving.parameters:
                continue
            torch._fused_sgd_(
                moving.parameters,
                [gradient for gradient in gradients if gradient is not None],
                moving.momenta,
                weight_decay=group["weight_decay"],
                momentum=group["momentum"],
                lr=group["lr"],
                dampening=0.0,
                nesterov=group["nesterov"],
                maximize=False,
                is_first_step=False,
            )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._moving = [None] * len(self.param_groups)

    def _gather(self, group: dict[str, Any], live: tuple[bool, ...]) -> _SGDGroup:
        moving = [parameter for parameter, has_gradient in zip(group["params"], live, strict=True) if has_gradient]
        momenta = [self.state[parameter]["momentum_buffer"] for parameter in moving] if group["momentum"] else []
        return _SGDGroup(live, moving, momenta)
