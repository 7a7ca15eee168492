"""A stage of training: what is trained, on what and how, and in which order its samples come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from dlth_bench.protocols.recipe import TrainSpec
from dlth_bench.runs.run import Tuning
from dlth_bench.training.data import half_labelled_order
from dlth_bench.training.methods.method import Method
from dlth_bench.training.parallel.processes import BatchPart
from dlth_bench.training.random import stream_generator
from dlth_bench.training.samples import FileSamples, ReadAhead, StageSamples
from dlth_bench.training.tickets.masks import Masking


def epoch_order(stage: Stage, generator: torch.Generator) -> Tensor:
    """Positions of the samples of an epoch, one batch after the other, int64 on the CPU; they may end in a part of one.

    The generator, on the CPU, is the epoch's.
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


_PREFIX = "observer/"


class Observer(Protocol):
    """Watches the method of a stage and must not change it; its state is in the stage's checkpoints."""

    def begin(self) -> None:
        """Called before the first update; not when the stage goes on from a checkpoint."""

    def after_step(self, step: int) -> bool:
        """Called after update ``step`` (from 0); returns whether the stage ends with it."""

    def state(self) -> dict[str, Tensor]:
        """All that it has seen, by name."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of ``state``."""


def observer_tensors(observers: Mapping[str, Observer]) -> dict[str, Tensor]:
    """The states of observers, under the names that they have in a file of weights."""
    states = {f"{_PREFIX}{name}/": observer.state() for name, observer in observers.items()}
    return {f"{prefix}{key}": tensor for prefix, state in states.items() for key, tensor in state.items()}


def restore_observers(observers: Mapping[str, Observer], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restore observers from the tensors of a file; returns the other tensors."""
    for name, observer in observers.items():
        prefix = f"{_PREFIX}{name}/"
        observer.restore({key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)})
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(_PREFIX)}


@dataclass
class Stage:
    """One stretch of training: what is trained, on what, how, and under which name its draws are made."""

    name: str
    method: Method
    samples: StageSamples
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
    cpu_speed: bool = True
    """Whether the speed-ups of `cpu_speed` are used, which give the same bits; without them the step is plainer."""

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The precision of forward passes."""
        half = self.spec.precision == "bf16"
        return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()

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
        generator = stream_generator(self.seed, f"{self.name}/held-out")
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

    def __init__(self, stage: Stage, device: torch.device | None = None, part: BatchPart | None = None) -> None:
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
            generator = stream_generator(self.stage.seed, f"{self.stage.name}/order", epoch)
            self.order, self.epoch = epoch_order(self.stage, generator).to(self.device), epoch
        size = self.stage.spec.batch_size
        batch = self.order[index * size : (index + 1) * size]
        return batch if self.part is None else self.part.of(batch)


BatchReader = Callable[[int, Tensor], Any]
"""Reads the batch of a step, given its number and the positions of its samples, onto the device."""


def batch_reader(stage: Stage, part: BatchPart | None = None) -> BatchReader:
    """How batches, or a part of each, are read: from a tensor, from files ahead of their use, or as the samples do."""
    samples = stage.samples
    if isinstance(samples, Tensor):
        return lambda step, positions: samples.index_select(0, positions)  # small images byte by byte, unlike [...]
    if isinstance(samples, FileSamples):
        ahead = ReadAhead(samples, Batches(stage, torch.device("cpu"), part).at, stage.steps)
        return lambda step, positions: ahead.at(step)
    return lambda step, positions: samples[positions]
