"""In which order an epoch takes its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dlth_bench.training.labelled_part import half_labelled_order

if TYPE_CHECKING:
    from dlth_bench.training.stage import Stage


def epoch_order(stage: Stage, generator: torch.Generator) -> Tensor:
    """Positions of the samples of an epoch, one batch after the other, int64 on the CPU; they may end in a part of one.

    Args:
        generator: of the epoch, on the CPU.
    """
    if stage.method.half_labelled:
        positions = torch.arange(len(stage.labels)) if stage.trained is None else stage.trained
        return half_labelled_order(
            stage.labels.cpu(), positions, stage.epoch_steps, stage.spec.batch_size, generator=generator
        )
    order = torch.randperm(stage.trained_samples, generator=generator)
    if stage.trained is not None:  # the rest is held out
        order = stage.trained[order]
    if stage.spec.repeats > 1:  # as many views of an image one after the other, of fewer images
        order = order.repeat_interleave(stage.spec.repeats)[: len(order)]
    return order
