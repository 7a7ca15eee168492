"""How the batches of a stage are divided: over processes, and a process's part over micro-batches."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import nn

from dlth_bench.training.methods.method import Method
from dlth_bench.training.parallel.batch_norm import join_batch_norms
from dlth_bench.training.parallel.processes import Part, Split, divided, processes
from dlth_bench.training.random import draw_for_parts
from dlth_bench.util.errors import InputError


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of a step.

    inner: which of the process's samples it has; None: all.
    part: which of the batch's samples these are; None: all.
    weight: factor of its loss, so that the mean over processes of the sums over passes is that of the batch.
    """

    inner: Part | None = None
    part: Part | None = None
    weight: float = 1.0


class Division(AbstractContextManager["Division"]):
    """The passes of every step of a stage, with its method made ready for them until the end of a ``with`` block.

    Args:
        micro_batch: samples of a pass at most; None: all that the process has.

    Raises:
        InputError: the method or its batch cannot be divided so.
    """

    def __init__(self, method: Method, batch_size: int, micro_batch: int | None = None) -> None:
        self.method = method
        self.own: Part | None = None
        if processes() > 1:
            split = Split.of(batch_size, mirrored=method.mirrors)
            method.share(split)
            join_batch_norms(method)
            self.own = split.own
        self.passes = self._passes(batch_size if self.own is None else len(self.own), micro_batch)
        self._drawing = draw_for_parts(method) if self.passes[0].part is not None else []

    def _passes(self, samples: int, micro_batch: int | None) -> tuple[Pass, ...]:
        if micro_batch is None or micro_batch >= samples:
            return (self._pass(None, self.own),)
        reason = undivided(self.method)
        if reason:
            raise InputError(f"micro-batches of {micro_batch}: a batch of {samples} cannot be divided, since {reason}")
        inner = divided(samples, -(-samples // micro_batch), mirrored=self.method.mirrors)
        return tuple(self._pass(each, each if self.own is None else self.own.within(each)) for each in inner)

    def _pass(self, inner: Part | None, part: Part | None) -> Pass:
        decomposes = part is not None and not self.method.whole_loss
        return Pass(inner, part, part.share * processes() if decomposes and part is not None else 1.0)

    def begin(self, one: Pass) -> None:
        """Tell the method and its layers which samples come next."""
        self._tell(one.part)

    def __exit__(self, *_: object) -> None:
        self._tell(None)

    def _tell(self, part: Part | None) -> None:
        self.method.part = part
        for layer in self._drawing:
            layer.part = part  # type: ignore[assignment]  # torch expects tensors and modules alone


def undivided(method: Method) -> str:
    """Why a step cannot be a sum over micro-batches; empty: it can."""
    if method.couples:
        return method.couples
    trained = (name for name, layer in method.named_modules() if layer.training and _is_batch_norm(layer))
    return f"batch norm sees all of it ({name})" if (name := next(trained, "")) else ""


def _is_batch_norm(layer: nn.Module) -> bool:
    return isinstance(layer, nn.modules.batchnorm._BatchNorm)
