"""Writing a critical set for policies that choose samples; ``spec.critical_set`` has the layout of the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlth_bench.spec.critical_set import CriticalSetHeader
from dlth_bench.spec.run import Run
from dlth_bench.training.checkpoint import save_tensors
from dlth_bench.training.pruning.critical import CriticalSet


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
