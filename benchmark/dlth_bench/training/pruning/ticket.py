"""A run that prunes, from start to trained ticket: up to the rewind point, the search, a control's change, training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from dlth_bench.spec.pruning import PruningSpec, TicketFacts
from dlth_bench.spec.stored_run import MASK_FILE
from dlth_bench.training.loop import History
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.pruning.mask_file import save_mask
from dlth_bench.training.pruning.masks import Mask
from dlth_bench.training.pruning.prune import Scorer
from dlth_bench.training.pruning.random_masks import permuted_in_layers
from dlth_bench.training.pruning.search import Found, LevelTrainer, Search, Weights, kept, level_name, rewind_weights
from dlth_bench.training.seeds import stream_seed


@dataclass(frozen=True)
class TrainedTicket:
    """A ticket, or its control, after its last update.

    Attributes:
        history: of its own training; its curve has that up to the rewind point before it, if its weights were there.
        earlier_seconds: wall seconds of all before that.
        updates: of all trainings together.
        mask, weights, start: the ticket before its own training, and the update that this began with.
    """

    method: Supervised
    history: History
    earlier_seconds: float
    updates: int
    facts: TicketFacts
    mask: Mask
    weights: Weights
    start: int


def trained_ticket(
    spec: PruningSpec, trainer: LevelTrainer, scorer: Scorer, sparse: LevelTrainer | None = None
) -> TrainedTicket:
    """Find a ticket and train it.

    Args:
        sparse: trains the ticket, on other data than the search; None: the same.

    Raises:
        ValueError: the rewind point is not before the end of training.
        Diverged: a loss or a score is no number.
    """
    dense, samples = trainer.dense, len(trainer.dense.labels)
    rewind = spec.rewind_step(dense.spec, samples)
    origin, pretraining = rewind_weights(trainer, rewind)
    found = Search(spec, trainer, scorer, origin, rewind).find()
    mask, weights = _subnetwork(spec, trainer, found, origin)
    if trainer.folder is not None:
        save_mask(trainer.folder / MASK_FILE, mask, found.header())
    last = trainer if sparse is None else sparse
    start = spec.ticket_start(dense.spec, len(last.dense.labels))
    method, history = last.level(level_name(spec.rounds), weights, mask, start)
    before = pretraining if start else History()
    searched = sum(level.device_seconds for level in found.levels)
    return TrainedTicket(
        method=method,
        history=replace(
            history,
            curve_steps=before.curve_steps + history.curve_steps,
            curve_loss=before.curve_loss + history.curve_loss,
        ),
        earlier_seconds=pretraining.seconds + searched + found.scoring_seconds,
        updates=spec.updates(dense.spec, samples, len(last.dense.labels)),
        facts=_facts(method, mask, found, rewind),
        mask=mask,
        weights=weights,
        start=start,
    )


def _subnetwork(spec: PruningSpec, trainer: LevelTrainer, found: Found, origin: Weights) -> tuple[Mask, Weights]:
    """The mask and the weights that are trained: the ticket's, or what a control has in their place."""
    mask, weights = found.mask, origin
    if spec.baseline in {"permute_layer", "random_ticket"}:
        generator = torch.Generator().manual_seed(stream_seed(trainer.dense.seed, "permuted-mask"))
        mask = permuted_in_layers(mask, generator)
    if spec.baseline in {"reinit", "random_ticket"}:
        weights = kept(trainer.fresh("reinit").state_dict())
    return mask, weights


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
