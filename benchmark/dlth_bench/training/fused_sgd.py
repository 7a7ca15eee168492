"""torch's fused SGD on a CPU, without what torch asks and gathers anew at every step; see `fused_adamw`.

The kernel, its arguments and the state are torch's, so that weights and checkpoints are the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import SGD


class _Moving(NamedTuple):
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
        self._moving: list[_Moving | None] = [None] * len(self.param_groups)
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
                moving = self._moving[number] = self._gathered(group, live)
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

    def _gathered(self, group: dict[str, Any], live: tuple[bool, ...]) -> _Moving:
        moving = [parameter for parameter, has_gradient in zip(group["params"], live, strict=True) if has_gradient]
        momenta = [self.state[parameter]["momentum_buffer"] for parameter in moving] if group["momentum"] else []
        return _Moving(live, moving, momenta)
