"""What a training method is: its views, its loss on them, and what it updates around an optimizer step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlth_bench.protocols.methods import TwoViewSpec
from dlth_bench.training.parallel.processes import BatchPart, BatchSplit
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Augment, Pixels

Views = tuple[Tensor, ...]


@dataclass(frozen=True)
class Moment:
    """Where in its training stage a method is: update ``step`` (from 0) of ``total``."""

    step: int
    total: int
    epoch_steps: int = 1
    """Updates an epoch."""

    @property
    def fraction(self) -> float:
        """0 at the first update, 1 at the last."""
        return self.step / max(1, self.total - 1)

    @property
    def step_in_epoch(self) -> int:
        return self.step % self.epoch_steps

    @property
    def ends_epoch(self) -> bool:
        return self.step_in_epoch == self.epoch_steps - 1

    @property
    def epoch_start(self) -> Moment:
        """The first update of this epoch."""
        return Moment(self.step - self.step_in_epoch, self.total, self.epoch_steps)


class Method(nn.Module, ABC):
    """A training method. It owns its networks, not a loop.

    All state that training changes is in parameters and persistent buffers, so that a checkpoint of
    ``state_dict()`` is complete.
    """

    encoder: nn.Module
    """What an evaluation uses after training."""

    sparse = False
    """Whether some gradients are sparse."""

    half_labelled = False
    """Whether half of each batch is of samples with a label and half of samples without; those are labelled -1."""

    unscheduled: tuple[str, ...] = ()
    """Prefixes of the names of parameters that are trained at the peak learning rate throughout."""

    couples = ""
    """Why a step cannot be a sum over micro-batches, such as a loss that compares samples; empty: it can."""

    whole_loss = False
    """Whether the loss of a process is that of the whole batch; else it is the mean over the samples of its part."""

    mirrors = False
    """Whether samples meet their mirrors in the batch, which then are in the same part of it."""

    independent_views = False
    """Whether ``views`` draws by `random.uniform` and `random.normal` alone and makes those of each image by itself.

    Views of several batches can then be made at once.
    """

    split: BatchSplit | None = None
    """How batches are split over processes; None: there is one process."""

    part: BatchPart | None = None
    """The part of the batch that the next call of ``forward`` gets; None: all of it."""

    @abstractmethod
    def views(self, images: Any, generator: torch.Generator) -> Views:
        """The augmented inputs of one batch: `Images`, or what else the method is for, such as texts."""

    @abstractmethod
    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        """The scalar loss. ``labels`` int64 (batch,); self-supervised methods do not look at them."""

    def share(self, split: BatchSplit) -> None:
        """Train as one of several processes from now on, on a part of every batch.

        Raises:
            InputError: the method cannot be split so.
        """
        self.split = split

    def before_step(self, moment: Moment) -> None:
        """Called between backward and the optimizer's update."""

    def after_step(self, moment: Moment) -> None:
        """Called after the optimizer's update."""


@torch.no_grad()
def update_average(average: Sequence[Tensor], current: Sequence[Tensor], momentum: float) -> None:
    """Moving average in place, ``average = momentum * average + (1 - momentum) * current``, in one fused call."""
    torch._foreach_lerp_(list(average), list(current), 1 - momentum)


class MovingAverage:
    """The parameters of networks and of their moving averages; both are walked at the first update and not again.

    A walk through the modules of a small network takes longer than the update.
    """

    def __init__(self, pairs: Sequence[tuple[nn.Module, nn.Module]]) -> None:
        """Args: ``pairs``: each average with the network that it follows."""
        self._pairs = pairs
        self._parameters: tuple[list[Tensor], list[Tensor]] | None = None

    def update(self, momentum: float) -> None:
        """As `update_average`."""
        if self._parameters is None:
            average, current = zip(*self._pairs, strict=True)
            self._parameters = _parameters(average), _parameters(current)
        update_average(*self._parameters, momentum)


def _parameters(modules: Sequence[nn.Module]) -> list[Tensor]:
    return [parameter for module in modules for parameter in module.parameters()]


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy that takes no gradient."""
    return deepcopy(module).requires_grad_(False)


def enqueued(queue: Tensor, start: Tensor, rows: Tensor) -> Tensor:
    """The queue with its oldest rows replaced; batches that do not divide it wrap around.

    A new tensor, since the backward of a loss on the queue still needs the old values.

    Args:
        queue: (size, dim).
        start: int64 scalar on the queue's device, the place of the oldest row.
        rows: (batch, dim), no more than the queue has.
    """
    places = (start + torch.arange(len(rows), device=rows.device)) % len(queue)
    return queue.index_copy(0, places, rows)


class TwoViewMethod(Method):
    """An encoder that is trained on two augmented views of each image.

    Each view goes through the networks on its own, so that batch norm sees one view at a time, as in the originals.
    """

    independent_views = True

    def __init__(self, spec: TwoViewSpec, backbone: nn.Module, pixels: Pixels) -> None:
        super().__init__()
        self.encoder = backbone
        self.augments = [Augment(view, pixels) for view in spec.views]

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return tuple(augment(images, generator) for augment in self.augments)
