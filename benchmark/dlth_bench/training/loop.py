"""The one training loop: every method, and every evaluation that trains, goes through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from dlth_bench.spec.recipe import TrainSpec
from dlth_bench.spec.result import TRAINING_VERSION
from dlth_bench.training.checkpoint import load_tensors, restore_training_state, save_tensors, training_state
from dlth_bench.training.methods.base import Method, Moment
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.observer import Observer, observed, restore_observers
from dlth_bench.training.optim import build_optimizer, clip_each_gradient, clip_gradients, plateau_drops, set_rates
from dlth_bench.training.pruning.masking import Masking
from dlth_bench.training.sample_order import epoch_order
from dlth_bench.training.samples import FileSamples, ReadAhead, Samples
from dlth_bench.training.seeds import seed_model_draws, stream_seed

CURVE_POINTS = 100
"""About how many values a loss curve keeps: fewer than twice this, or one a step for shorter stages."""


class Diverged(RuntimeError):
    """The loss is no longer a number."""


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

    @property
    def file_name(self) -> str:
        return self.stored_as or self.name

    @cached_property
    def held_out(self) -> Tensor:
        """Positions of the samples that are kept for validation, int64, on the labels' device."""
        return self._split[self.spec.trained_samples(len(self.labels)) :]

    @property
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

    @property
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

    @property
    def epoch_steps(self) -> int:
        """Updates an epoch; an incomplete last batch is dropped."""
        return self.trained_samples // self.spec.batch_size


@dataclass
class History:
    """What a stage leaves besides weights; travels in its checkpoints."""

    step: int = 0
    seconds: float = 0.0
    curve_steps: list[int] = field(default_factory=list)
    curve_loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    """Accuracy on the samples held out, one value an epoch."""

    def header(self) -> dict[str, Any]:
        """As it stands in a checkpoint, with the version of the loop that wrote it."""
        return vars(self) | {"training_version": TRAINING_VERSION}

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> History:
        return cls(**{key: value for key, value in header.items() if key != "training_version"})


def usable(header: dict[str, Any]) -> bool:
    """Whether a checkpoint was written by this version of the loop; training does not go on across versions."""
    return header.get("training_version") == TRAINING_VERSION


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


class Batches:
    """The sample order: a permutation an epoch, drawn from (seed, stage, epoch); incomplete batches are dropped."""

    def __init__(self, stage: Stage, device: torch.device | None = None) -> None:
        self.stage = stage
        self.device = device or stage.labels.device
        self.per_epoch = stage.epoch_steps
        self.epoch = -1
        self.order = torch.empty(0)

    def at(self, step: int) -> Tensor:
        """Positions of the samples of one step, int64 (batch,), on the labels' device or the one asked for."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            generator = torch.Generator().manual_seed(stream_seed(self.stage.seed, f"{self.stage.name}/order", epoch))
            self.order, self.epoch = epoch_order(self.stage, generator).to(self.device), epoch
        size = self.stage.spec.batch_size
        return self.order[index * size : (index + 1) * size]


class Trainer:
    """A stage set up on a device: model and optimizer under Fabric, and what one update does."""

    def __init__(self, stage: Stage, fabric: Fabric) -> None:
        self.stage, self.fabric = stage, fabric
        self.optimizer = build_optimizer(stage.spec.optimizer, stage.method)
        self.module, self.wrapped = fabric.setup(stage.method, self.optimizer)
        self.batches = Batches(stage)
        self.ahead: ReadAhead | None = None
        if isinstance(stage.samples, FileSamples):
            self.ahead = ReadAhead(stage.samples, Batches(stage, torch.device("cpu")).at, stage.steps)
        self.generator = torch.Generator(device=fabric.device)
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
        picked = self.batches.at(step)
        seed_model_draws(self.fabric.device, stream_seed(stage.seed, f"{stage.name}/model", step))
        self.generator.manual_seed(stream_seed(stage.seed, f"{stage.name}/augmentation", step))
        images = stage.samples[picked] if self.ahead is None else self.ahead.at(step)
        views, labels = method.views(images, self.generator), stage.labels[picked]
        loss: Tensor = self.module(views, labels, moment)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
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
        return loss.detach()


def train(stage: Stage, fabric: Fabric, checkpoints: Checkpoints, after_step: AfterStep = lambda step: None) -> History:
    """Train a stage to its end or an observer's, from its checkpoint if there is one.

    Raises:
        Diverged: when the loss becomes NaN or infinite; names the step.
    """
    trainer = Trainer(stage, fabric)
    history = _resume(stage, trainer.optimizer, checkpoints.path)
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
        history.seconds = before + now - started
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
    loaded = None if path is None else load_tensors(path)
    if loaded is None or not usable(loaded[1]):
        return History(step=stage.start)
    tensors, header = loaded
    restore_training_state(stage.method, optimizer, restore_observers(stage.observers, tensors))
    return History.from_header(header)


def _record(history: History, step: int, losses: list[Tensor], name: str) -> None:
    """Append the mean loss since the last record to the curve; the only place that waits for the device."""
    mean = torch.stack(losses).mean().item()
    losses.clear()
    if not torch.isfinite(torch.tensor(mean)):
        raise Diverged(f"the {name} loss is {mean} at step {step}")
    history.step = step
    history.curve_steps.append(step)
    history.curve_loss.append(mean)
