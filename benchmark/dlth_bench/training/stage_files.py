"""Training a stage with its files: a finished one is not trained again, one that was killed goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lightning.fabric import Fabric

from dlth_bench.spec.tuning import Tuning
from dlth_bench.training.checkpoint import load_tensors, save_tensors
from dlth_bench.training.exchange import of_first
from dlth_bench.training.fitting import train_fitting
from dlth_bench.training.history import History, usable
from dlth_bench.training.loop import Checkpoints, Watch
from dlth_bench.training.observer import observed, restore_observers
from dlth_bench.training.stage import Stage

Report = Callable[[str, int, int], None]
"""Hears (stage, step, of steps)."""


@dataclass(frozen=True)
class StageTrainer:
    """Trains the stages of a run on its devices.

    Attributes:
        run: its digest, which the files tell.
        checkpoint_seconds: how often a stage in training is written down.
        tuning: how steps are computed.
    """

    run: str
    fabric: Fabric
    checkpoint_seconds: float
    report: Report
    watch: Watch
    tuning: Tuning

    def train(self, stage: Stage, folder: Path | None) -> History:
        """Train a stage, or take its finished weights from an earlier attempt, which left them in the folder.

        Args:
            folder: keeps the stage's file and its checkpoint; None keeps none. Of several processes the first has one.
        """
        finished = None if folder is None else folder / f"{stage.file_name}.safetensors"
        loaded = of_first(lambda: None if finished is None else load_tensors(finished))
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
            state = stage.method.state_dict() | observed(stage.observers)
            save_tensors(finished, state, history.header() | {"run": self.run})
        return history
