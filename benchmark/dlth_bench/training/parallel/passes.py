"""A step divided over processes, and a process's part of it over micro-batches.

Stands in for the plain forward and backward of `loop.Trainer`. A batch has the same samples, draws and gradients (up to
rounding) however it is divided.
"""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from lightning.fabric import Fabric
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.parallel.batch_norm import join_batch_norms
from dlth_bench.training.parallel.processes import BatchPart, BatchSplit, divided, processes, take_from_first
from dlth_bench.training.random import PartGenerator, draw_for_parts, seed_model_draws, stream_seed
from dlth_bench.training.stage import Batches, Stage, batch_reader
from dlth_bench.util.errors import InputError


def divide_steps(stage: Stage, fabric: Fabric) -> Division | None:
    """How steps are divided, with the errors of `Division`; None: one device computes each in one pass."""
    micro_batch = stage.tuning.micro_batch
    if processes() == 1 and (micro_batch is None or micro_batch >= stage.spec.batch_size):
        return None
    return Division(stage, fabric)


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of a step.

    inner: which of the process's samples it has; None: all.
    part: which of the batch's samples these are; None: all.
    weight: factor of its loss, so that the mean over processes of the sums over passes is that of the batch.
    """

    inner: BatchPart | None = None
    part: BatchPart | None = None
    weight: float = 1.0


class Division(AbstractContextManager["Division"]):
    """The passes of every step of a stage, with its method made ready for them until the end of a ``with`` block.

    Raises:
        InputError: the method or its batch cannot be divided so.
    """

    def __init__(self, stage: Stage, fabric: Fabric) -> None:
        self.stage, self.fabric, self.method = stage, fabric, stage.method
        self.own: BatchPart | None = None
        batch_size = stage.spec.batch_size
        if processes() > 1:
            split = BatchSplit.of(batch_size, mirrored=self.method.mirrors)
            self.method.share(split)
            join_batch_norms(self.method)
            self.own = split.own
        self.passes = self._passes(batch_size if self.own is None else len(self.own), stage.tuning.micro_batch)
        self._drawing = draw_for_parts(self.method) if self.passes[0].part is not None else []
        self.module: Any = self.method if fabric.world_size == 1 else fabric.setup_module(self.method)
        self.batches = Batches(stage, part=self.own)
        self.read_batch = batch_reader(stage, self.own)
        self.generator = PartGenerator(device=fabric.device)

    def compute(self, moment: Moment) -> Tensor:
        """Forward and backward of all passes of a step; returns the sum of their losses, detached.

        With several processes the gradients are those of all, the loss is this process's share.
        """
        stage, positions = self.stage, self.batches.at(moment.step)
        images, labels = self.read_batch(moment.step, positions), stage.labels[positions]
        losses = []
        for one in self.passes:
            self._tell(one.part)
            # Every pass draws for the whole batch, from the start, and takes its own.
            seed_model_draws(self.fabric.device, stream_seed(stage.seed, f"{stage.name}/model", moment.step))
            self.generator.manual_seed(stream_seed(stage.seed, f"{stage.name}/augmentation", moment.step))
            self.generator.part = one.part
            own = (images, labels) if one.inner is None else (images[one.inner.rows], labels[one.inner.rows])
            views = self.method.views(own[0], self.generator)
            with self._synchronised(only=one is self.passes[-1]):
                with stage.autocast(self.fabric.device):
                    loss: Tensor = self.module(views, own[1], moment)
                loss = loss if one.weight == 1 else loss * one.weight
                self.fabric.backward(loss)
            losses.append(loss.detach())
        return sum(losses[1:], losses[0])

    def _synchronised(self, *, only: bool) -> AbstractContextManager[Any]:
        """Gradients are averaged over processes in the backward of the last pass alone."""
        several = self.fabric.world_size > 1
        return self.fabric.no_backward_sync(self.module) if several and not only else nullcontext()

    def _passes(self, samples: int, micro_batch: int | None) -> tuple[Pass, ...]:
        if micro_batch is None or micro_batch >= samples:
            return (self._pass(None, self.own),)
        reason = undivided(self.method)
        if reason:
            raise InputError(f"micro-batches of {micro_batch}: a batch of {samples} cannot be divided, since {reason}")
        inner = divided(samples, -(-samples // micro_batch), mirrored=self.method.mirrors)
        return tuple(self._pass(each, each if self.own is None else self.own.within(each)) for each in inner)

    def _pass(self, inner: BatchPart | None, part: BatchPart | None) -> Pass:
        decomposes = part is not None and not self.method.whole_loss
        return Pass(inner, part, part.share * processes() if decomposes and part is not None else 1.0)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._tell(None)
        del self.module
        if processes() > 1 and kind is None:
            # Statistics of batch norm in groups are those of the first group.
            take_from_first(self.method.buffers())
            gc.collect()  # what hooks into the gradients of the stage must be gone before another stage's

    def _tell(self, part: BatchPart | None) -> None:
        self.method.part = part
        for layer in self._drawing:
            layer.part = part  # type: ignore[assignment]  # torch expects tensors and modules alone


def undivided(method: Method) -> str:
    """Why a step cannot be a sum over micro-batches; empty: it can."""
    if method.couples:
        return method.couples
    trained = (name for name, layer in method.named_modules() if layer.training and isinstance(layer, _BatchNorm))
    return f"batch norm sees all of it ({name})" if (name := next(trained, "")) else ""
