"""Forgetting events (Toneva et al. 2019): a training sample is right at one presentation and wrong at the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dlth_bench.protocols.measurements import ForgettingSpec
from dlth_bench.protocols.tickets import RemovalSpec
from dlth_bench.training.data import Resident
from dlth_bench.training.loop import History
from dlth_bench.training.measurements.subject import MeasurementFinding, measured
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.random import stream_seed
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.training.tickets.prac import ForgettingState

_MOST_EVENTS = 1000
"""Events from which on the distribution in a result is cut; its last value is of so many and more."""


class ForgettingRecord:
    """Counts events while a stage trains, from the logits that its loss is of.

    A sample that was never right has no event; it is counted apart, since conventions differ on whether it is the
    easiest or the hardest.
    """

    def __init__(self, stage: Stage) -> None:
        if not isinstance(stage.method, Supervised):
            raise TypeError("forgetting is of supervised training")
        self.labels, self.batches = stage.labels, Batches(stage)
        self.seen = ForgettingState.none(len(stage.labels), stage.labels.device)
        self.presentations = torch.zeros_like(stage.labels)
        self._logits = torch.empty(0)
        stage.method.head.register_forward_hook(self._keep)

    def begin(self) -> None:
        """Does nothing: no sample was presented yet."""

    def after_step(self, step: int) -> bool:
        picked = self.batches.at(step)
        self.seen.present(picked, self._logits.argmax(1) == self.labels[picked])
        self.presentations[picked] += 1
        return False

    def state(self) -> dict[str, Tensor]:
        return self.seen.state() | {"presentations": self.presentations}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.seen.restore(state)
        self.presentations.copy_(state["presentations"])

    def _keep(self, head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        if head.training:
            self._logits = logits.detach()


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
