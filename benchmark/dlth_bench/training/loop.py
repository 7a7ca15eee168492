"""The one training loop: every method, and every evaluation that trains, goes through it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from dlth_bench.runs.result import TRAINING_VERSION
from dlth_bench.training.checkpoint import load_tensors, restore_training_state, save_tensors, training_state
from dlth_bench.training.cpu_speed.grouped_views import GroupedViews, grouped_steps
from dlth_bench.training.methods.method import Moment, Views
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.optimizers import build_optimizer, clip_each_gradient, clip_gradients, plateau_drops, set_rates
from dlth_bench.training.parallel.passes import Division, Pass
from dlth_bench.training.parallel.processes import of_first, processes, summed, take_from_first
from dlth_bench.training.random import PartGenerator, seed_model_draws, stream_seed
from dlth_bench.training.recompute import tuned
from dlth_bench.training.samples import FileSamples, ReadAhead, taken
from dlth_bench.training.stage import Batches, Stage, observed, restore_observers


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


def usable(header: dict[str, Any]) -> bool:
    """Whether a checkpoint was written by this version of the loop; training does not go on across versions."""
    return header.get("training_version") == TRAINING_VERSION


CURVE_POINTS = 100
"""About how many values a loss curve keeps: fewer than twice this, or one a step for shorter stages."""


class Diverged(RuntimeError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a stage keeps its checkpoint and how often it writes one; ``report`` hears (step, of steps)."""

    path: Path | None = None
    every_seconds: float = 15.0
    report: Callable[[int, int], None] = lambda step, total: None


AfterStep = Callable[[int], None]
"""Called with the number of each update (from 0) that was made; may look at the stage's method, not change it."""

Watch = Callable[[Stage], AfterStep]
"""What is to be called after each step of a stage; asked when the stage begins."""


def unwatched(stage: Stage) -> AfterStep:
    """Nothing."""
    return lambda step: None


class Trainer:
    """A stage set up on a device: model and optimizer under Fabric, and what one update does."""

    def __init__(self, stage: Stage, fabric: Fabric) -> None:
        self.stage, self.fabric = stage, fabric
        self.division = Division(stage.method, stage.spec.batch_size, stage.tuning.micro_batch)
        self.optimizer = build_optimizer(stage.spec.optimizer, stage.method)
        self.module, self.wrapped = fabric.setup(stage.method, self.optimizer)
        if fabric.world_size == 1:  # what Fabric would do is nothing then, which takes a hundredth of a small step
            self.module, self.wrapped = stage.method, self.optimizer
        self.batches = Batches(stage, part=self.division.own)
        self.ahead: ReadAhead | None = None
        if isinstance(stage.samples, FileSamples):
            positions = Batches(stage, torch.device("cpu"), self.division.own).at
            self.ahead = ReadAhead(stage.samples, positions, stage.steps)
        self.generator = PartGenerator(device=fabric.device)
        size = grouped_steps(stage) if self.division.passes[0].part is None else 1
        self.grouped = GroupedViews(stage, self.batches, size) if size > 1 else None
        self.held_out: list[float] = []
        """As `History` has it."""
        self.trained = [parameter for parameter in stage.method.parameters() if parameter.requires_grad]
        stage.method.train()
        if stage.masking is not None:
            stage.masking.zero_weights()

    def step(self, step: int) -> Tensor:
        """Update number ``step`` (from 0); returns the loss, detached, without waiting for the device."""
        stage, method, spec = self.stage, self.stage.method, self.stage.spec.optimizer
        moment = Moment(step, stage.steps, stage.epoch_steps)
        for parameter in self.trained:
            parameter.grad = None
        loss = self._gradients(moment)
        method.before_step(moment)
        if stage.masking is not None:  # before clipping, whose norms are then those of live weights alone
            stage.masking.zero_gradients()
        if spec.clip_grad is not None:
            clip_each_gradient(self.trained, spec.clip_grad)
        if spec.clip_joint is not None:
            clip_gradients(self.trained, spec.clip_joint)
        set_rates(spec, self.optimizer, moment, plateau_drops(self.held_out))
        self.wrapped.step()
        if stage.masking is not None:
            stage.masking.zero_weights()
        method.after_step(moment)
        if isinstance(method, TextClassifier) and len(stage.held_out) and moment.ends_epoch:
            self.held_out.append(method.accuracy(stage.samples[stage.held_out], stage.labels[stage.held_out]))
        return loss

    def _gradients(self, moment: Moment) -> Tensor:
        """The loss of a step, whose gradients are then in place; a process's share of it where there are several."""
        stage, total = self.stage, None
        views_of = self._views_of(moment.step)
        for one in self.division.passes:
            last = one is self.division.passes[-1]
            self.division.begin(one)
            seed_model_draws(self.fabric.device, stream_seed(stage.seed, f"{stage.name}/model", moment.step))
            views, labels = views_of(one)
            with self._gradients_kept(here=not last):
                loss = self._loss(views, labels, moment)
                loss = loss if one.weight == 1 else loss * one.weight
                self._backward(loss)
            total = loss.detach() if total is None else total + loss.detach()
        if total is None:
            raise ValueError("a step has no pass")
        return total

    def _views_of(self, step: int) -> Callable[[Pass], tuple[Views, Tensor]]:
        """What the passes of a step see, and their labels."""
        if self.grouped is not None:  # it has one pass
            made = self.grouped.at(step)
            return lambda one: made
        stage, picked = self.stage, self.batches.at(step)
        images = taken(stage.samples, picked) if self.ahead is None else self.ahead.at(step)
        labels = stage.labels[picked]

        def views_of(one: Pass) -> tuple[Views, Tensor]:
            # Every pass draws for the whole batch, from the start, and takes its own.
            self.generator.manual_seed(stream_seed(stage.seed, f"{stage.name}/augmentation", step))
            self.generator.part = one.part
            own = (images, labels) if one.inner is None else (images[one.inner.rows], labels[one.inner.rows])
            return stage.method.views(own[0], self.generator), own[1]

        return views_of

    def _loss(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        half = self.stage.spec.precision == "bf16"
        with torch.autocast(self.fabric.device.type, torch.bfloat16) if half else nullcontext():
            loss: Tensor = self.module(views, labels, moment)
        return loss

    def _backward(self, loss: Tensor) -> None:
        if self.fabric.world_size == 1:
            loss.backward()  # type: ignore[no-untyped-call]  # torch declares no type
        else:
            self.fabric.backward(loss)

    def _gradients_kept(self, *, here: bool) -> AbstractContextManager[None]:
        """Whether the gradients of a pass stay in this process, to be averaged with those of its later passes."""
        several = here and self.fabric.world_size > 1
        return self.fabric.no_backward_sync(self.module) if several else nullcontext()


def train(stage: Stage, fabric: Fabric, checkpoints: Checkpoints, after_step: AfterStep = lambda step: None) -> History:
    """Train a stage to its end or an observer's, from its checkpoint if there is one.

    Raises:
        Diverged: when the loss becomes NaN or infinite; names the step.
    """
    trainer = Trainer(stage, fabric)
    with tuned(stage.method, stage.tuning), trainer.division:
        history = _train(trainer, checkpoints, after_step)
    # Statistics of batch norm in groups, which are those of the first group.
    take_from_first(stage.method.buffers())
    if fabric.world_size > 1:
        del trainer
        gc.collect()  # what hooks into the gradients of the stage must be gone before another stage's
    return history


def _train(trainer: Trainer, checkpoints: Checkpoints, after_step: AfterStep) -> History:
    stage = trainer.stage
    history = _resume(stage, trainer.optimizer, checkpoints.path)
    history.note(stage)
    trainer.held_out = history.held_out
    total, every = stage.end, max(1, stage.updates // CURVE_POINTS)
    losses: list[Tensor] = []
    started = saved = time.monotonic()
    before = history.seconds
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
        now = time.monotonic()
        history.seconds = before + (now - started) * processes()
        checkpoints.report(step + 1, total)
        if last:
            break
        if checkpoints.path is not None and now - saved >= checkpoints.every_seconds:
            state = training_state(stage.method, trainer.optimizer) | observed(stage.observers)
            save_tensors(checkpoints.path, state, history.header())
            saved = time.monotonic()
    return history


def _resume(stage: Stage, optimizer: torch.optim.Optimizer, path: Path | None) -> History:
    """The state of the checkpoint put into the stage, and its history; a fresh history when there is none."""
    loaded = of_first(lambda: None if path is None else load_tensors(path))
    if loaded is None or not usable(loaded[1]):
        return History(step=stage.start)
    tensors, header = loaded
    restore_training_state(stage.method, optimizer, restore_observers(stage.observers, tensors))
    return History.from_header(header)


def _record(history: History, step: int, losses: list[Tensor], name: str) -> None:
    """Append the mean loss since the last record to the curve; the only place that waits for the device."""
    mean = (summed(torch.stack(losses).mean()) / processes()).item()
    losses.clear()
    if not torch.isfinite(torch.tensor(mean)):
        raise Diverged(f"the {name} loss is {mean} at step {step}")
    history.step = step
    history.curve_steps.append(step)
    history.curve_loss.append(mean)
