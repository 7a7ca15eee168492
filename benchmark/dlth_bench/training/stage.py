"""A stage of training: what is trained, on what and how, and in which order its samples come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from dlth_bench.spec.recipe import TrainSpec
from dlth_bench.spec.tuning import Tuning
from dlth_bench.training.methods.base import Method
from dlth_bench.training.observer import Observer
from dlth_bench.training.part import Part
from dlth_bench.training.pruning.masking import Masking
from dlth_bench.training.sample_order import epoch_order
from dlth_bench.training.samples import Samples
from dlth_bench.training.seeds import stream_seed


@dataclass
class Stage:
    """One stretch of training: what is trained, on what, how, and under which name its draws are made."""

    name: str
    method: Method
    samples: Samples
    """Images, or what else the method takes; batches of them are on the device."""
    labels: Tensor
    """int64 (samples,), on the device."""
    spec: TrainSpec
    seed: int
    start: int = 0
    """The update that it begins with: one that goes on from another's weights has the schedule go on, too."""
    stop: int | None = None
    """The update before which it ends; None: that of the whole duration."""
    masking: Masking | None = None
    """Weights that stay zero; None: none."""
    only: Tensor | None = None
    """Positions of the samples that are trained on, int64 on a CPU, of methods that hold none out; None: all."""
    observers: Mapping[str, Observer] = field(default_factory=dict)
    """What watches it, by name; what they saw is in the stage's checkpoints."""
    stored_as: str | None = None
    """Name of its files; None: ``name``. Stages whose draws are the same have files of their own by it."""
    tuning: Tuning = field(default_factory=Tuning)
    """How its steps are computed."""

    @property
    def file_name(self) -> str:
        return self.stored_as or self.name

    @cached_property
    def held_out(self) -> Tensor:
        """Positions of the samples that are kept for validation, int64, on the labels' device."""
        return self._split[self.spec.trained_samples(len(self.labels)) :]

    @cached_property
    def trained_samples(self) -> int:
        return self.spec.trained_samples(len(self.labels)) if self.only is None else len(self.only)

    @cached_property
    def trained(self) -> Tensor | None:
        """Positions of the samples that are trained on, int64 on a CPU; None: all."""
        if self.only is not None:
            return self.only
        return self._split[: self.trained_samples].cpu() if self.spec.held_out else None

    @cached_property
    def _split(self) -> Tensor:
        generator = torch.Generator().manual_seed(stream_seed(self.seed, f"{self.name}/held-out"))
        return torch.randperm(len(self.labels), generator=generator).to(self.labels.device)

    @cached_property
    def steps(self) -> int:
        """Updates of the whole duration, which is what schedules are over."""
        return self.spec.duration.in_steps(self.trained_samples, self.spec.batch_size)

    @property
    def end(self) -> int:
        """The update before which it ends, unless an observer ends it earlier."""
        return self.steps if self.stop is None else self.stop

    @property
    def updates(self) -> int:
        """Updates that the stage makes."""
        return self.end - self.start

    @cached_property
    def epoch_steps(self) -> int:
        """Updates an epoch; an incomplete last batch is dropped."""
        return self.trained_samples // self.spec.batch_size


class Batches:
    """The sample order: a permutation an epoch, drawn from (seed, stage, epoch); incomplete batches are dropped."""

    def __init__(self, stage: Stage, device: torch.device | None = None, part: Part | None = None) -> None:
        self.stage, self.part = stage, part
        self.device = device or stage.labels.device
        self.per_epoch = stage.epoch_steps
        self.epoch = -1
        self.order = torch.empty(0)

    def at(self, step: int) -> Tensor:
        """Positions of the samples of one step, int64 (batch,), on the labels' device or the one asked for.

        Of a part of the batch those of its samples alone.
        """
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            generator = torch.Generator().manual_seed(stream_seed(self.stage.seed, f"{self.stage.name}/order", epoch))
            self.order, self.epoch = epoch_order(self.stage, generator).to(self.device), epoch
        size = self.stage.spec.batch_size
        batch = self.order[index * size : (index + 1) * size]
        return batch if self.part is None else self.part.of(batch)
