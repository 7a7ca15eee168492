"""Training a stage with its files: a finished one is not trained again, one that was killed goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lightning.fabric import Fabric

from dlth_bench.training.checkpoint import load_tensors, save_tensors
from dlth_bench.training.loop import Checkpoints, History, Stage, Watch, train, usable
from dlth_bench.training.observer import observed, restore_observers

Report = Callable[[str, int, int], None]
"""Hears (stage, step, of steps)."""


@dataclass(frozen=True)
class StageTrainer:
    """Trains stages on a device.

    Attributes:
        checkpoint_seconds: how often a stage in training is written down.
    """

    fabric: Fabric
    checkpoint_seconds: float
    report: Report
    watch: Watch

    def train(self, stage: Stage, folder: Path | None) -> History:
        """Train a stage, or take its finished weights from an earlier attempt, which left them in the folder.

        Args:
            folder: keeps the stage's file and its checkpoint; None keeps none.
        """
        loaded = None if folder is None else load_tensors(folder / f"{stage.file_name}.safetensors")
        if loaded is not None and usable(loaded[1]):
            stage.method.load_state_dict(restore_observers(stage.observers, loaded[0]))
            return History.from_header(loaded[1])
        checkpoints = Checkpoints(
            None if folder is None else folder / f"{stage.file_name}-checkpoint.safetensors",
            self.checkpoint_seconds,
            partial(self.report, stage.name),
        )
        history = train(stage, self.fabric, checkpoints, self.watch(stage))
        if folder is not None:
            state = stage.method.state_dict() | observed(stage.observers)
            save_tensors(folder / f"{stage.file_name}.safetensors", state, history.header())
        return history
