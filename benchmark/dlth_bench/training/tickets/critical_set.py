"""The critical set of a search: which samples the next level trains on, and what the levels so far saw of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dlth_bench.runs.critical_set_file import CriticalSetHeader
from dlth_bench.runs.run import TRAINING_VERSION, Run
from dlth_bench.training.checkpoint import load_tensors, save_tensors, usable


@dataclass(frozen=True, eq=False)
class CriticalSet:
    """A set among a run's samples; tensors on the CPU.

    Attributes:
        selected: bool (samples,).
        events: int32 (samples,), forgetting events of all levels so far.
        unlearned: int32 (samples,), how many levels were trained on the sample and never learned it.
        disagreements: int32 (samples,), after how many levels the compared networks saw the sample differently.
        dense: int32 (samples,), the class that the dense level predicts; -1 before it.
    """

    selected: Tensor
    events: Tensor
    unlearned: Tensor
    disagreements: Tensor
    dense: Tensor

    @classmethod
    def whole(cls, samples: int) -> Self:
        """All samples, before the first level."""
        zeros = torch.zeros(samples, dtype=torch.int32)
        return cls(torch.ones(samples, dtype=torch.bool), zeros, zeros, zeros, zeros - 1)

    @property
    def count(self) -> int:
        return int(self.selected.sum())

    @property
    def positions(self) -> Tensor:
        """int64 (selected,), ascending."""
        return self.selected.nonzero().flatten()

    def following(self, hard: Tensor, learned: Tensor, events: Tensor, differing: Tensor) -> Self:
        """The set after a level: of the samples that it trained on the hard ones, and of all those seen differently.

        Args:
            hard, learned, differing: bool (samples,), of the level.
            events: int32 (samples,), of the level.
        """
        return replace(
            self,
            selected=(self.selected & hard) | differing,
            events=self.events + events,
            unlearned=self.unlearned + (self.selected & ~learned).int(),
            disagreements=self.disagreements + differing.int(),
        )

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        save_tensors(path, vars(self), {"training_version": TRAINING_VERSION})

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The set in a file; None when there is no such file, or not a whole one of this version of the loop."""
        loaded = load_tensors(path)
        if loaded is None or not usable(loaded[1]):
            return None
        return cls(**loaded[0])


def save_critical_file(path: Path, critical: CriticalSet, run: Run, sample_ids: Sequence[str], labels: Tensor) -> None:
    """Write the set that a run found, whole or not at all.

    Args:
        sample_ids: of the run's training samples, in the order of the set.
        labels: int64 (samples,).
    """
    header = CriticalSetHeader(
        dataset=run.data.dataset,
        class_ids=run.class_ids,
        config=run.config.name,
        seed=run.seed,
        run=run.digest,
    )
    tensors = {
        "sample_ids": torch.from_numpy(np.frombuffer("\n".join(sample_ids).encode(), dtype=np.uint8).copy()),
        "labels": labels.int(),
        "selected": critical.selected.to(torch.uint8),
        "events": critical.events,
        "unlearned": critical.unlearned,
        "disagreements": critical.disagreements,
    }
    save_tensors(path, tensors, header.model_dump(mode="json"))
