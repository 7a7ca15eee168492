"""The files and the memory of a stage: what it takes from a folder and leaves there, and what if it does not fit.

A stage that is out of memory is begun again with a cheaper way to compute the same steps.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from lightning.fabric import Fabric

from dlth_bench.runs.run import Tuning
from dlth_bench.training.checkpoint import load_tensors, restore_training_state, save_tensors, training_state, usable
from dlth_bench.training.loop import History, Progress, Trainer, Watch, train, unwatched
from dlth_bench.training.methods.method import Method
from dlth_bench.training.parallel.passes import undivided
from dlth_bench.training.parallel.processes import broadcast_from_first
from dlth_bench.training.recompute import blocks
from dlth_bench.training.stage import Stage, observer_tensors, restore_observers


@dataclass
class Checkpoints(Progress):
    """Writes the state of a stage in training to a file now and then, and restores it from there.

    Attributes:
        path: the file; None: none is written.
        every_seconds: how often; the first time after so long.
        report: is called with (step, of steps).
    """

    path: Path | None = None
    every_seconds: float = 15.0
    report: Callable[[int, int], None] = lambda step, total: None
    _saved: float = field(init=False, default_factory=time.monotonic)

    def restore(self, trainer: Trainer) -> History:
        stage, path = trainer.stage, self.path
        self._saved = time.monotonic()
        loaded = broadcast_from_first(lambda: None if path is None else load_tensors(path))
        if loaded is None or not usable(loaded[1]):
            return super().restore(trainer)
        tensors, header = loaded
        restore_training_state(stage.method, trainer.optimizer, restore_observers(stage.observers, tensors))
        return History.from_header(header)

    def record(self, trainer: Trainer, history: History, *, last: bool) -> None:
        self.report(history.step, trainer.stage.end)
        if self.path is None or last or time.monotonic() - self._saved < self.every_seconds:
            return
        state = training_state(trainer.stage.method, trainer.optimizer) | observer_tensors(trainer.stage.observers)
        save_tensors(self.path, state, history.header())
        self._saved = time.monotonic()


SMALL = 16
"""Samples of a pass below which a device has too little to do; then rather compute activations twice."""


class OutOfMemory(RuntimeError):
    """There is no cheaper way left to compute a step."""


def cheaper(tuning: Tuning, method: Method, batch: int) -> Tuning | None:
    """The next way to compute the same step in less memory; None: there is none.

    First micro-batches, which cost no computation, then activation checkpointing, then still smaller micro-batches.
    ``batch`` is how many samples a step has.
    """
    half = (tuning.micro_batch or batch) // 2
    divisible = not undivided(method) and half >= 1
    if divisible and half >= SMALL:
        return tuning.model_copy(update={"micro_batch": half})
    if not tuning.checkpoint_activations and blocks(method):
        return tuning.model_copy(update={"checkpoint_activations": True})
    return tuning.model_copy(update={"micro_batch": half}) if divisible else None


def train_fitting(stage: Stage, fabric: Fabric, progress: Progress = Progress(), watch: Watch = unwatched) -> History:
    """Train a stage as `train` does; out of memory, go on from the last checkpoint, or the start, in a cheaper way.

    A step that cannot be divided into the micro-batches asked for is computed as a whole, and a note says so.

    With several processes there is no second try: the one that is out of memory cannot reach the others, which wait.

    Raises:
        OutOfMemory: no way fits; says what would help.
        Diverged: as `train` does.
    """
    method, begun = stage.method, _copied(stage.method)
    stage, note = _divisible(stage)
    while True:
        try:
            history = train(stage, fabric, progress, watch(stage))
        except torch.OutOfMemoryError:
            tuning = cheaper(stage.tuning, method, stage.spec.batch_size)
        else:
            history.notes += [note] if note and note not in history.notes else []
            return history
        if fabric.world_size > 1 or tuning is None:
            raise OutOfMemory(_advice(stage, tuning))
        for parameter in method.parameters():
            parameter.grad = None
        gc.collect()
        if fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        method.load_state_dict(begun)
        stage = replace(stage, tuning=tuning)


def _divisible(stage: Stage) -> tuple[Stage, str]:
    """The stage without micro-batches if its steps cannot be divided, and a note about that."""
    stage.method.train()
    reason = undivided(stage.method) if stage.tuning.micro_batch is not None else ""
    if not reason:
        return stage, ""
    tuning = stage.tuning.model_copy(update={"micro_batch": None})
    return replace(stage, tuning=tuning), f"{stage.name}: a step is computed as a whole, since {reason}"


def _copied(method: Method) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in method.state_dict().items()}


def _advice(stage: Stage, tuning: Tuning | None) -> str:
    """What the user can do."""
    if tuning is not None:
        return f"{stage.name} is out of memory on one of the devices: --{_option(tuning)}, or more devices"
    reason = undivided(stage.method)
    whole = f"; a step cannot be divided into micro-batches, since {reason}" if reason else ""
    return f"{stage.name} is out of memory even with {stage.tuning.text or 'no tuning'}{whole}: take more devices"


def _option(tuning: Tuning) -> str:
    return "checkpoint-activations" if tuning.checkpoint_activations else f"micro-batch {tuning.micro_batch}"


StageReport = Callable[[str, int, int], None]
"""Called with (stage, step, of steps)."""


@dataclass(frozen=True)
class StageTrainer:
    """Trains the stages of a run on its devices.

    Attributes:
        run: its digest, which is written into the files.
        checkpoint_seconds: how often the state of a stage in training is written.
        tuning: how steps are computed.
    """

    run: str
    fabric: Fabric
    checkpoint_seconds: float
    report: StageReport
    watch: Watch
    tuning: Tuning

    def train(self, stage: Stage, folder: Path | None) -> History:
        """Train a stage, or take its finished weights from an earlier attempt, which left them in the folder.

        Args:
            folder: keeps the stage's file and its checkpoint; None keeps none. Of several processes the first has one.
        """
        finished = None if folder is None else folder / f"{stage.file_name}.safetensors"
        loaded = broadcast_from_first(lambda: None if finished is None else load_tensors(finished))
        if loaded is not None and usable(loaded[1]):
            stage.method.load_state_dict(restore_observers(stage.observers, loaded[0]))
            return History.from_header(loaded[1])
        checkpoints = Checkpoints(
            None if folder is None else folder / f"{stage.file_name}-checkpoint.safetensors",
            self.checkpoint_seconds,
            partial(self.report, stage.name),
        )
        history = train_fitting(replace(stage, tuning=self.tuning), self.fabric, checkpoints, self.watch)
        if finished is not None:
            state = stage.method.state_dict() | observer_tensors(stage.observers)
            save_tensors(finished, state, history.header() | {"run": self.run})
        return history
