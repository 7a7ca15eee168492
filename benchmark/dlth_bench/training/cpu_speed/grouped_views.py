"""The views of several consecutive steps, made in one go.

An augmentation is some sixty operations on small tensors. Between two steps of a network their code and data have
left the caches, so that to begin them takes longer than what they do. The draws are those of each step by itself, and
every operation is for each image by itself, so that the views are the same, bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlth_bench.training.methods.method import Views
from dlth_bench.training.random import StepsGenerator, stream_seed
from dlth_bench.training.stage import Batches, Stage

MAX_STEPS = 8

MAX_VALUES = 2**18
"""Pixel values of the images of a group: beyond, caches are too small and operations long enough."""

LANES = 16
"""Samples of a batch must be a multiple of it: numbers a register, whose rests may round in another way."""


def grouped_steps(stage: Stage) -> int:
    """Of how many steps the views are made in one go; 1 where that gains nothing, or is not sure to change nothing."""
    samples, batch = stage.samples, stage.spec.batch_size
    if not (stage.method.independent_views and isinstance(samples, Tensor) and samples.device.type == "cpu"):
        return 1
    if samples.dim() != 4 or batch % LANES:  # features of a probe have no views
        return 1
    return max(1, min(MAX_STEPS, MAX_VALUES // (batch * samples[0].numel())))


def group_views(stage: Stage) -> GroupedViews | None:
    """The views of a stage made for several steps in one go; None where that is switched off or gains nothing."""
    size = grouped_steps(stage) if stage.cpu_speed else 1
    return GroupedViews(stage, size) if size > 1 else None


class GroupedViews:
    """Views and labels of the steps of a stage, by number; groups begin at multiples of ``size``.

    A stage that goes on from a checkpoint so has the groups of one that was not interrupted.
    """

    def __init__(self, stage: Stage, size: int) -> None:
        self.stage, self.batches, self.size = stage, Batches(stage), size
        self._group = -1
        self._made: list[tuple[Views, Tensor]] = []
        self._each = [torch.Generator() for _ in range(size)]
        self._all = StepsGenerator()
        self._all.batch = stage.spec.batch_size

    def at(self, step: int) -> tuple[Views, Tensor]:
        """The views of one step, and labels int64 (batch,)."""
        group, place = divmod(step, self.size)
        if group != self._group:
            self._made = self._views(range(group * self.size, min((group + 1) * self.size, self.stage.steps)))
            self._group = group
        return self._made[place]

    def forget(self) -> None:
        """Make the views of the next step anew, whichever it is."""
        self._group = -1

    def _views(self, steps: range) -> list[tuple[Views, Tensor]]:
        stage, batch = self.stage, self.stage.spec.batch_size
        if not isinstance(stage.samples, Tensor):
            raise TypeError("views are grouped of images on the device alone")
        positions = torch.cat([self.batches.at(step) for step in steps])
        self._all.steps = self._each[: len(steps)]
        for generator, step in zip(self._all.steps, steps, strict=True):
            generator.manual_seed(stream_seed(stage.seed, f"{stage.name}/augmentation", step))
        views = stage.method.views(stage.samples.index_select(0, positions), self._all)
        labels = torch.split(stage.labels[positions], batch)
        apart = [of_steps(view, len(steps), batch) for view in views]
        return list(zip(zip(*apart, strict=True), labels, strict=True))


def of_steps(view: Tensor, steps: int, batch: int) -> list[Tensor]:
    """Views (n * steps * batch, ...) of all steps as those of each, (n * batch, ...)."""
    if len(view) == steps * batch:
        return list(torch.split(view, batch))
    each = view.view(-1, steps, batch, *view.shape[1:])
    return [each[:, step].flatten(0, 1) for step in range(steps)]
