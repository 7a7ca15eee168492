"""The easiest or the hardest samples removed, by forgetting events of a training of the run's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlth_bench.spec.removal import RemovalSpec
from dlth_bench.training.history import History
from dlth_bench.training.resident import Resident
from dlth_bench.training.seeds import stream_seed
from dlth_bench.training.stability.forgetting import ForgettingRecord
from dlth_bench.training.stage import Stage


@dataclass(frozen=True)
class Reduced:
    """What is left of the training samples, and the training that said which; see `spec.protocol.Cost`."""

    data: Resident
    images: int
    seconds: float


def without_removed(spec: RemovalSpec, dense: Stage, data: Resident, train: Callable[[Stage], History]) -> Reduced:
    """Train once, count events, and leave the samples out; the draws of that training are of its own name.

    Args:
        dense: the config's training on all of the data.
    """
    stage = replace(dense, name="removal")
    record = ForgettingRecord(stage)
    history = train(replace(stage, observers={"forgetting": record}))
    kept = kept_positions(spec, record.seen.events, record.seen.learned, stream_seed(dense.seed, "removal/ties"))
    left = replace(
        data,
        train_images=data.train_images[kept],
        train_labels=data.train_labels[kept],
        train_ids=tuple(data.train_ids[position] for position in kept.tolist()),
    )
    return Reduced(left, stage.updates * stage.spec.batch_size, history.seconds)


def kept_positions(spec: RemovalSpec, events: Tensor, learned: Tensor, seed: int) -> Tensor:
    """Positions that stay, sorted; equally hard samples go in a random order.

    Args:
        events: int32 (samples,); likewise ``learned``, whether a sample was ever right.
    """
    difficulty = torch.where(learned, events, events.max() + 1)
    order = torch.randperm(len(events), generator=torch.Generator().manual_seed(seed)).to(events.device)
    ranked = order[torch.sort(difficulty[order], stable=True, descending=spec.order == "easiest").indices]
    return ranked[: spec.kept(len(events))].sort().values
