"""torch's fused AdamW on a CPU, without what torch asks and gathers anew at every step.

For networks of a few hundred thousand weights that takes longer than the update: torch looks for an accelerator, walks
all parameters and keeps a step counter for each. Here lists are gathered when other parameters than before have
gradients, and those that began together share one counter.
The kernel, its arguments and the state are torch's, so that weights and checkpoints are the same, bit for bit.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer


class _Moving(NamedTuple):
    """The parameters of a group that have gradients, and their state."""

    live: tuple[bool, ...]
    """Which parameters of the group they are."""
    parameters: list[Tensor]
    state: dict[str, list[Tensor]]
    """By name of the slot, that of each parameter; ``counters`` has each step counter once."""


class _GatheringOptimizer(Optimizer):
    """Gathers the state of a group's parameters when others than before have gradients."""

    _moving: dict[int, _Moving]
    """By number of the group."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # a loss is not for it
        """Update all parameters that have gradients."""
        for number, group in enumerate(self.param_groups):
            gradients = [parameter.grad for parameter in group["params"]]
            live = tuple([gradient is not None for gradient in gradients])
            moving = self._moving.get(number)
            if moving is None or moving.live != live:
                parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
                moving = self._moving[number] = _Moving(live, parameters, self._state_of(parameters, group))
            if moving.parameters:
                self._update(moving, [gradient for gradient in gradients if gradient is not None], group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._moving = {}

    @abstractmethod
    def _state_of(self, parameters: list[Tensor], group: dict[str, Any]) -> dict[str, list[Tensor]]:
        """By name of the slot, the state of each parameter, begun where there is none."""

    @abstractmethod
    def _update(self, moving: _Moving, gradients: list[Tensor], group: dict[str, Any]) -> None:
        """Call torch's kernel."""


class CPUFusedAdamW(_GatheringOptimizer, AdamW):
    """As ``AdamW(..., fused=True)`` for parameters on a CPU."""

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, lr=lr, betas=betas, eps=eps, fused=True)
        self._step_supports_amp_scaling = False  # a gradient scaler then unscales gradients itself
        self._moving = {}

    def _update(self, moving: _Moving, gradients: list[Tensor], group: dict[str, Any]) -> None:
        state = moving.state
        for counter in state["counters"]:
            counter += 1
        beta1, beta2 = group["betas"]
        torch._fused_adamw_(
            moving.parameters,
            gradients,
            state["exp_avg"],
            state["exp_avg_sq"],
            [],
            state["step"],
            amsgrad=False,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _state_of(self, parameters: list[Tensor], group: dict[str, Any]) -> dict[str, list[Tensor]]:
        counters: dict[float, Tensor] = {}
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            # A counter of their own: those that have no gradient now may share the old one.
            state["step"] = counters.setdefault(float(state["step"]), state["step"].clone())
        slots = {slot: [self.state[each][slot] for each in parameters] for slot in ("exp_avg", "exp_avg_sq", "step")}
        return slots | {"counters": list(counters.values())}


class CPUFusedSGD(_GatheringOptimizer, SGD):
    """As ``SGD(..., fused=True)`` for parameters on a CPU with dense gradients, and momenta that begin at zero.

    torch begins a momentum with the first gradient, which is the same, but cannot begin some later than others.
    """

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, momentum: float, nesterov: bool) -> None:
        super().__init__(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)
        self._step_supports_amp_scaling = False  # a gradient scaler then unscales gradients itself
        self._moving = {}

    def _update(self, moving: _Moving, gradients: list[Tensor], group: dict[str, Any]) -> None:
        torch._fused_sgd_(
            moving.parameters,
            gradients,
            moving.state["momentum_buffer"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=False,
            is_first_step=False,
        )

    def _state_of(self, parameters: list[Tensor], group: dict[str, Any]) -> dict[str, list[Tensor]]:
        if not group["momentum"]:
            return {"momentum_buffer": []}
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return {"momentum_buffer": [self.state[parameter]["momentum_buffer"] for parameter in parameters]}
