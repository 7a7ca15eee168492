"""How the training of a stage went so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dlth_bench.spec.result import TRAINING_VERSION
from dlth_bench.training.stage import Stage


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
