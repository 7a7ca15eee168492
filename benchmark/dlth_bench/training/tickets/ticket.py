"""From the rewind point to the trained ticket: the search, a control's change, the training of what comes of it.

The search and the ticket are trained alike, by one template of stages, or the search has a template of its own: another
task, on which it finds the mask and the encoder's weights, or other data. The ticket is trained and judged as the
config says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from dlth_bench.protocols.tickets import PruningSpec
from dlth_bench.runs.result import TicketFacts
from dlth_bench.runs.store import MASK_FILE
from dlth_bench.training.loop import History
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.random import stream_seed
from dlth_bench.training.tickets.critical_set import CriticalSet
from dlth_bench.training.tickets.masks import Mask, save_mask
from dlth_bench.training.tickets.prac import PracSearch
from dlth_bench.training.tickets.scores import Scorer, permuted_in_layers
from dlth_bench.training.tickets.search import Found, LevelTrainer, Search, Weights, kept, level_name, rewind_weights


@dataclass(frozen=True)
class Searched:
    """A search at its end.

    Attributes:
        origin: the weights at the rewind point, which is ``rewind`` updates after the start.
        pretraining: the dense training up to there.
    """

    found: Found
    origin: Weights
    pretraining: History
    rewind: int

    @property
    def seconds(self) -> float:
        """Wall seconds of all trainings and scorings, whoever did them."""
        levels = sum(level.device_seconds for level in self.found.levels)
        return self.pretraining.seconds + levels + self.found.scoring_seconds


def searched(spec: PruningSpec, trainer: LevelTrainer, *, fixed: CriticalSet | None = None) -> Searched:
    """Search for a ticket, from what there is in the trainer's folder on.

    Args:
        fixed: a critical set to train on, in place of one of the search's own.

    Raises:
        ValueError: the rewind point is not before the end of training.
        Diverged: a loss or a score is no number.
    """
    dense = trainer.dense
    rewind = spec.rewind_step(dense.spec, dense.trained_samples)
    origin, pretraining = rewind_weights(trainer, rewind)
    scorer = Scorer(spec.score, dense.samples, dense.labels, trainer.pixels, dense.seed)
    if spec.prac is None:
        search = Search(spec, trainer, scorer, origin, rewind)
    else:
        search = PracSearch(spec, trainer, scorer, origin, rewind, spec.prac, fixed)
    return Searched(search.find(), origin, pretraining, rewind)


@dataclass(frozen=True)
class TrainedTicket:
    """A ticket, or its control, after its last update.

    Attributes:
        history: of its own training; its curve has that up to the rewind point before it, if its weights were there.
        mask, weights, start: the ticket before its own training, and the update that this began with.
    """

    method: Supervised
    history: History
    facts: TicketFacts
    mask: Mask
    weights: Weights
    start: int


def trained_ticket(spec: PruningSpec, trainer: LevelTrainer, search: Searched) -> TrainedTicket:
    """Train the ticket that a search found, or its control, on all of its samples.

    Args:
        trainer: how the ticket is trained, and on which data; the search may have had others.

    Raises:
        Diverged: a loss is no number.
    """
    found, dense = search.found, trainer.dense
    mask, weights = _subnetwork(spec, trainer, found, search.origin)
    if trainer.folder is not None:
        save_mask(trainer.folder / MASK_FILE, mask, found.header())
    start = spec.ticket_start(dense.spec, len(dense.labels))
    trained, history = trainer.level(level_name(spec.rounds), weights, mask, start)
    method, before = as_classifier(trained), search.pretraining if start else History()
    history = replace(
        history,
        curve_steps=before.curve_steps + history.curve_steps,
        curve_loss=before.curve_loss + history.curve_loss,
    )
    return TrainedTicket(method, history, _facts(method, mask, found, search.rewind), mask, weights, start)


def _subnetwork(spec: PruningSpec, trainer: LevelTrainer, found: Found, origin: Weights) -> tuple[Mask, Weights]:
    """The mask and the weights that are trained: the ticket's, or what a control has in their place."""
    mask, weights = found.mask, origin if spec.search is None else _with_new_classifier(trainer, origin)
    if spec.baseline in {"permute_layer", "random_ticket"}:
        generator = torch.Generator().manual_seed(stream_seed(trainer.dense.seed, "permuted-mask"))
        mask = permuted_in_layers(mask, generator)
    if spec.baseline in {"reinit", "random_ticket"}:
        weights = kept(trainer.new_method("reinit").state_dict())
    return mask, weights


def _with_new_classifier(trainer: LevelTrainer, origin: Weights) -> Weights:
    """The encoder of a search's rewind point, and a classifier of a stream of its own: the search may have had none."""
    encoder = {name: tensor for name, tensor in origin.items() if name.startswith("encoder.")}
    return kept(trainer.new_method("classifier").state_dict() | encoder)


def _facts(method: Supervised, mask: Mask, found: Found, rewind: int) -> TicketFacts:
    parameters = sum(parameter.numel() for parameter in method.parameters())
    return TicketFacts(
        rewind_step=rewind,
        prunable_weights=mask.weights,
        live_weights=mask.count,
        density=mask.density,
        total_density=(parameters - mask.weights + mask.count) / parameters,
        empty_layers=mask.empty_layers,
        mask_digest=mask.digest,
        levels=found.levels,
        scoring_flops=found.scoring_flops,
        scoring_seconds=found.scoring_seconds,
    )
