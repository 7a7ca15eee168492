"""Floating-point operations of training, counted by torch on one step and multiplied by the steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, takewhile

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.stage import Stage


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
    with torch.random.fork_rng(), FlopCounterMode(display=False) as counter:
        loss = method(method.views(images, generator), labels, Moment(0, stage.steps))
        loss.backward()
    return float(counter.get_total_flops())


@torch.no_grad()
def forward_flops(function: Callable[[StageSamples], Tensor], image: StageSamples, samples: int) -> float:
    """FLOPs of ``function`` over ``samples`` images, counted on the batch ``image`` of one."""
    with FlopCounterMode(display=False) as counter:
        function(image)
    return float(counter.get_total_flops()) * samples
