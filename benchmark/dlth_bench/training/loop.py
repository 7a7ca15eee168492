"""The one training loop: every method, and every evaluation that trains, goes through it.

`Trainer.step` is one update, on one device. What stands beside it and is chosen once, when a stage is set up: the
division of a step over micro-batches and processes (`parallel.passes`), faster ways to make views and to update on a
CPU (`cpu_speed`), files and memory (`train_stage`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from dlth_bench.runs.run import TRAINING_VERSION
from dlth_bench.training.cpu_speed.grouped_views import group_views
from dlth_bench.training.methods.method import Moment, Views
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.optimizers import build_optimizer, clip_each_gradient, clip_gradients, plateau_drops, set_rates
from dlth_bench.training.parallel.passes import divide_steps
from dlth_bench.training.parallel.processes import processes, sum_over_processes
from dlth_bench.training.random import seed_model_draws, stream_seed
from dlth_bench.training.recompute import apply_tuning
from dlth_bench.training.stage import Batches, Stage, batch_reader


class Trainer:
    """A stage set up on a device: its optimizer, the order of its samples, and what one update does."""

    def __init__(self, stage: Stage, fabric: Fabric) -> None:
        self.stage = stage
        self.division = divide_steps(stage, fabric)
        self.optimizer = build_optimizer(stage.spec.optimizer, stage.method, cpu_speed=stage.cpu_speed)
        self.gradients = self.division or OnePass(stage, fabric.device)
        self.held_out: list[float] = []
        """As `History` has it."""
        self.trained = [parameter for parameter in stage.method.parameters() if parameter.requires_grad]
        stage.method.train()
        if stage.masking is not None:
            stage.masking.zero_weights()

    def step(self, step: int) -> Tensor:
        """Make update number ``step`` (from 0); returns the loss, detached, without waiting for the device."""
        stage, method, spec = self.stage, self.stage.method, self.stage.spec.optimizer
        moment = Moment(step, stage.steps, stage.epoch_steps)
        for parameter in self.trained:
            parameter.grad = None
        loss = self.gradients.compute(moment)
        method.before_step(moment)
        if stage.masking is not None:  # before clipping, whose norms are then those of live weights alone
            stage.masking.zero_gradients()
        if spec.clip_grad is not None:
            clip_each_gradient(self.trained, spec.clip_grad)
        if spec.clip_joint is not None:
            clip_gradients(self.trained, spec.clip_joint)
        set_rates(spec, self.optimizer, moment, plateau_drops(self.held_out))
        self.optimizer.step()
        if stage.masking is not None:
            stage.masking.zero_weights()
        method.after_step(moment)
        if isinstance(method, TextClassifier) and len(stage.held_out) and moment.ends_epoch:
            self.held_out.append(method.accuracy(stage.samples[stage.held_out], stage.labels[stage.held_out]))
        return loss


class OnePass:
    """The gradients of a whole batch on one device."""

    def __init__(self, stage: Stage, device: torch.device) -> None:
        self.stage, self.device = stage, device
        self.views = group_views(stage) or StepViews(stage, device)

    def compute(self, moment: Moment) -> Tensor:
        """Forward and backward of a step; returns the loss, detached."""
        stage = self.stage
        seed_model_draws(self.device, stream_seed(stage.seed, f"{stage.name}/model", moment.step))
        views, labels = self.views.at(moment.step)
        with stage.autocast(self.device):
            loss: Tensor = stage.method(views, labels, moment)
        loss.backward()  # type: ignore[no-untyped-call]  # torch declares no type
        return loss.detach()


class StepViews:
    """The views of a stage, one step at a time."""

    def __init__(self, stage: Stage, device: torch.device) -> None:
        self.stage, self.batches, self.read_batch = stage, Batches(stage), batch_reader(stage)
        self.generator = torch.Generator(device=device)

    def at(self, step: int) -> tuple[Views, Tensor]:
        """The augmented samples of a step, and their labels, int64 (batch,)."""
        stage, positions = self.stage, self.batches.at(step)
        self.generator.manual_seed(stream_seed(stage.seed, f"{stage.name}/augmentation", step))
        images = self.read_batch(step, positions)
        return stage.method.views(images, self.generator), stage.labels[positions]


@dataclass
class History:
    """What a stage leaves besides weights; travels in its checkpoints."""

    step: int = 0
    seconds: float = 0.0
    """Of all devices together."""
    curve_steps: list[int] = field(default_factory=list)
    curve_loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    """Accuracy on the samples held out, one value an epoch."""
    notes: list[str] = field(default_factory=list)
    """How steps were computed, from which one on, where it was not plainly."""

    def note(self, stage: Stage) -> None:
        """Note how the steps to come are computed, if it is not how those before were."""
        how = stage.tuning.text or "plainly"
        before = self.notes[-1].partition(": ")[2] if self.notes else "plainly"
        if how != before:
            self.notes.append(f"{stage.name} from step {self.step + 1}: {how}")

    def header(self) -> dict[str, Any]:
        """As it stands in a checkpoint, with the version of the loop that wrote it."""
        return vars(self) | {"training_version": TRAINING_VERSION}

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> History:
        return cls(**{key: value for key, value in header.items() if key in cls.__dataclass_fields__})


CURVE_POINTS = 100
"""About how many values a loss curve keeps: fewer than twice this, or one a step for shorter stages."""


class Diverged(RuntimeError):
    """The loss is no longer a number."""


AfterStep = Callable[[int], None]
"""Called with the number of each update (from 0) that was made; may look at the stage's method, not change it."""

Watch = Callable[[Stage], AfterStep]
"""What is to be called after each step of a stage; asked when the stage begins."""


def unwatched(stage: Stage) -> AfterStep:
    """The watch of a stage that nobody watches: does nothing after its steps."""
    return lambda step: None


class Progress:
    """Follows a stage and may restore it to where it was left; this one does neither."""

    def restore(self, trainer: Trainer) -> History:
        """Called before the first update: brings the stage to where it was left, and returns its history so far."""
        return History(step=trainer.stage.start)

    def record(self, trainer: Trainer, history: History, *, last: bool) -> None:
        """Called after each value of the loss curve; ``last``: the stage is at its end."""


def train(
    stage: Stage,
    fabric: Fabric,
    progress: Progress = Progress(),
    after_step: AfterStep = lambda step: None,
) -> History:
    """Train a stage from where ``progress`` left it to its end, or to the update after which an observer ends it.

    Raises:
        Diverged: when the loss becomes NaN or infinite; names the step.
    """
    trainer = Trainer(stage, fabric)
    with apply_tuning(stage.method, stage.tuning), trainer.division or nullcontext():
        return _train(trainer, progress, after_step)


def _train(trainer: Trainer, progress: Progress, after_step: AfterStep) -> History:
    stage = trainer.stage
    history = progress.restore(trainer)
    history.note(stage)
    trainer.held_out = history.held_out
    total, every = stage.end, max(1, stage.updates // CURVE_POINTS)
    losses: list[Tensor] = []
    started, before = time.monotonic(), history.seconds
    if history.step == stage.start:
        for observer in stage.observers.values():
            observer.begin()
    for step in range(history.step, total):
        losses.append(trainer.step(step))
        after_step(step)
        stopped = [observer.after_step(step) for observer in stage.observers.values()]
        last = any(stopped) or step + 1 == total
        if (step + 1) % every and not last:
            continue
        _record(history, step + 1, losses, stage.name)
        history.seconds = before + (time.monotonic() - started) * processes()
        progress.record(trainer, history, last=last)
        if last:
            break
    return history


def _record(history: History, step: int, losses: list[Tensor], name: str) -> None:
    """Append the mean loss since the last record to the curve; the only place that waits for the device."""
    mean = (sum_over_processes(torch.stack(losses).mean()) / processes()).item()
    losses.clear()
    if not torch.isfinite(torch.tensor(mean)):
        raise Diverged(f"the {name} loss is {mean} at step {step}")
    history.step = step
    history.curve_steps.append(step)
    history.curve_loss.append(mean)
