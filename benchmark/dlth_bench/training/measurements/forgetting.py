"""Forgetting events (Toneva et al. 2019): a training sample is right at one presentation and wrong at the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlth_bench.protocols.measurements import ForgettingSpec
from dlth_bench.protocols.tickets import RemovalSpec
from dlth_bench.training.data import Resident
from dlth_bench.training.loop import History
from dlth_bench.training.measurements.subject import MeasurementFinding, measured
from dlth_bench.training.random import stream_seed
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.prac import ForgettingObserver

_MOST_EVENTS = 1000
"""Events from which on the distribution in a result is cut; its last value is of so many and more."""


class ForgettingRecord(ForgettingObserver):
    """Counts events and presentations while a stage trains.

    A sample that was never right has no event; it is counted apart, since conventions differ on whether it is the
    easiest or the hardest.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.presentations = torch.zeros_like(stage.labels)

    def after_step(self, step: int) -> bool:
        self.presentations[self.batches.at(step)] += 1
        return super().after_step(step)

    def state(self) -> dict[str, Tensor]:
        return super().state() | {"presentations": self.presentations}

    def restore(self, state: dict[str, Tensor]) -> None:
        super().restore(state)
        self.presentations.copy_(state["presentations"])


def forgetting_finding(spec: ForgettingSpec, record: ForgettingRecord) -> MeasurementFinding:
    """Mean events and shares, over the samples that were presented at all."""
    seen = record.presentations > 0
    events, learned = record.seen.events[seen], record.seen.learned[seen]
    shares = ((learned & (events == 0)), ~learned)
    values = (events.double().mean().item(), *(share.double().mean().item() for share in shares))
    counts = torch.bincount(events.clamp(max=_MOST_EVENTS)).tolist()
    presented = record.presentations[seen]
    notes = []
    if presented.min() != presented.max():
        notes.append(f"samples were presented {presented.min():d} to {presented.max():d} times")
    return MeasurementFinding(measured(spec, values, {"samples_by_events": counts}, notes))


@dataclass(frozen=True)
class Reduced:
    """What is left of the training samples, and the training that said which; see `protocols.reference.Cost`."""

    data: Resident
    images: int
    seconds: float


def remove_samples(spec: RemovalSpec, dense: Stage, data: Resident, train: Callable[[Stage], History]) -> Reduced:
    """Train ``dense`` once, count events, and leave samples out; the draws of that training are of its own name."""
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
    """Positions that stay, sorted, by events int32 (samples,) and whether a sample was ever right, bool (samples,).

    Equally hard samples go in a random order.
    """
    difficulty = torch.where(learned, events, events.max() + 1)
    order = torch.randperm(len(events), generator=torch.Generator().manual_seed(seed)).to(events.device)
    ranked = order[torch.sort(difficulty[order], stable=True, descending=spec.order == "easiest").indices]
    return ranked[: spec.kept(len(events))].sort().values
