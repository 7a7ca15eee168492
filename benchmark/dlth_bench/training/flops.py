"""Floating-point operations of training, counted by torch on one step and multiplied by the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count, takewhile
from math import prod
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.stage import Stage

aten = torch.ops.aten


def _attention_flops(query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> tuple[int, int]:
    """FLOPs of attention, forward and backward, from the shapes (..., heads, positions, width).

    Two products forward, scores and values; backward five, as fused kernels take them, which compute the scores anew
    (Dao et al. 2022, algorithm 4).
    """
    rows = 2 * prod(query[:-1]) * key[-2]
    scores, values = rows * query[-1], rows * value[-1]
    return scores + values, 3 * scores + 2 * values


def _forward_kernel(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    return _attention_flops(query, key, value)[0]


def _backward_kernel(
    _gradient: Sequence[int], query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    return _attention_flops(query, key, value)[1]


KERNELS = {
    aten._scaled_dot_product_flash_attention_for_cpu: _forward_kernel,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _backward_kernel,
}
"""What torch counts from 2.15 on and not before, for attention that is not reached by the function."""


class FlopCounter:
    """Counts the FLOPs of what runs inside ``with``, backward passes too; a multiply-add counts as two.

    torch counts all but attention. What it counts there depends on its version, on the device and on the kernel that
    it picks, which may be none that it knows; so `scaled_dot_product_attention` is counted by its shapes instead.
    """

    def __init__(self) -> None:
        self.by_torch = FlopCounterMode(display=False, custom_mapping=KERNELS)
        self.difference = 0
        """Of attention: by its shapes, minus what torch counted."""
        self._entered = ExitStack()

    @property
    def flops(self) -> float:
        return float(self.by_torch.get_total_flops() + self.difference)

    def __enter__(self) -> Self:
        self._entered.enter_context(self.by_torch)
        self._entered.enter_context(_AttentionMode(self))
        return self

    def __exit__(self, *raised: Any) -> None:
        self._entered.close()


class _AttentionMode(TorchFunctionMode):
    """Has a counter count each call of attention by its shapes."""

    def __init__(self, counter: FlopCounter) -> None:
        super().__init__()
        self.counter = counter

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return self._attention(*args, **kwargs or {})
        return func(*args, **kwargs or {})

    def _attention(self, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **named: Any) -> Tensor:
        call = _Attention(self.counter)
        if torch.is_grad_enabled():
            query, key, value = _Inputs.apply(call, query, key, value)
        call.begin()
        output: Tensor = F.scaled_dot_product_attention(query, key, value, *rest, **named)
        forward, call.backward = _attention_flops(query.shape, key.shape, value.shape)
        call.end(forward)
        return _Output.apply(call, output) if output.requires_grad else output


class _Attention:
    """One call of attention, between whose inputs and output a counter is corrected."""

    def __init__(self, counter: FlopCounter) -> None:
        self.counter, self.backward, self._before = counter, 0, 0

    def begin(self) -> None:
        self._before = self.counter.by_torch.get_total_flops()

    def end(self, flops: int) -> None:
        self.counter.difference += flops - (self.counter.by_torch.get_total_flops() - self._before)


class _Inputs(torch.autograd.Function):
    """Query, key and value as they are; in a backward pass reached when that of the attention is over."""

    @staticmethod
    def forward(ctx: Any, call: _Attention, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.call = call
        ctx.set_materialize_grads(False)
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        ctx.call.end(ctx.call.backward)
        return None, *gradients


class _Output(torch.autograd.Function):
    """The output as it is; in a backward pass reached right before the attention."""

    @staticmethod
    def forward(ctx: Any, call: _Attention, output: Tensor) -> Tensor:
        ctx.call = call
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        ctx.call.begin()
        return None, gradient


def stage_flops(stage: Stage, fresh: Callable[[], Method]) -> float:
    """FLOPs of all forward and backward passes of a stage; a multiply-add counts as two.

    Counted on ``fresh()``, a method built like the stage's, since a counted step would change batch-norm statistics
    and queues. Augmentation is included, the optimizer's update is not.
    """
    batch = stage.spec.batch_size
    for counted in takewhile(bool, (batch >> halvings for halvings in count())):
        try:
            return _step_flops(stage, fresh, counted) * (batch / counted) * stage.updates
        except torch.OutOfMemoryError:  # a step that was divided to fit: part of it, which is the more exact the more
            pass  # of the batch it has, for losses that compare its samples
    raise torch.OutOfMemoryError("no memory to count the FLOPs of a single sample")


def _step_flops(stage: Stage, fresh: Callable[[], Method], batch: int) -> float:
    method = fresh().to(stage.samples.device).train()
    generator = torch.Generator(device=stage.samples.device).manual_seed(0)
    first = slice(batch)
    picked = first if stage.only is None else stage.only[first].to(stage.labels.device)
    images, labels = stage.samples[picked], stage.labels[picked]
    with torch.random.fork_rng(), FlopCounter() as counter:
        loss = method(method.views(images, generator), labels, Moment(0, stage.steps))
        loss.backward()
    return counter.flops


@torch.no_grad()
def forward_flops(function: Callable[[StageSamples], Tensor], image: StageSamples, samples: int) -> float:
    """FLOPs of ``function`` over ``samples`` images, counted on the batch ``image`` of one."""
    with FlopCounter() as counter:
        function(image)
    return counter.flops * samples
