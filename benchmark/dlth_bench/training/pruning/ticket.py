"""A run that prunes, from start to trained ticket: up to the rewind point, the search, a control's change, training.

The search and the ticket are trained alike, by one template of stages, or the search has a template of its own: another
task, on which it finds the mask and the encoder's weights, while the ticket is trained and judged as the config says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from dlth_bench.spec.pruning import PruningSpec, TicketFacts
from dlth_bench.spec.stored_run import MASK_FILE
from dlth_bench.training.loop import History
from dlth_bench.training.methods.supervised import Supervised, as_classifier
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
        search_updates: up to the rewind point and of all levels.
        updates: of its own training.
        mask, weights, start: the ticket before its own training, and the update that this began with.
    """

    method: Supervised
    history: History
    earlier_seconds: float
    search_updates: int
    updates: int
    facts: TicketFacts
    mask: Mask
    weights: Weights
    start: int


def trained_ticket(spec: PruningSpec, trainer: LevelTrainer, searcher: LevelTrainer) -> TrainedTicket:
    """Find a ticket and train it.

    Args:
        trainer: how the ticket is trained, and on which data.
        searcher: how the levels of the search are: the same, unless the spec has a search of its own or the run
            replaces the data of one of the two.

    Raises:
        ValueError: the rewind point is not before the end of training.
        Diverged: a loss or a score is no number.
    """
    dense, task = trainer.dense, searcher.dense
    rewind = spec.rewind_step(task.spec, task.trained_samples)
    origin, pretraining = rewind_weights(searcher, rewind)
    scorer = Scorer(spec.score, task.samples, task.labels, searcher.pixels, task.seed)
    found = Search(spec, searcher, scorer, origin, rewind).find()
    mask, weights = _subnetwork(spec, trainer, found, origin)
    if trainer.folder is not None:
        save_mask(trainer.folder / MASK_FILE, mask, found.header())
    start = spec.ticket_start(dense.spec, len(dense.labels))
    trained, history = trainer.level(level_name(spec.rounds), weights, mask, start)
    method, before = as_classifier(trained), pretraining if start else History()
    searched = sum(level.device_seconds for level in found.levels)
    return TrainedTicket(
        method=method,
        history=replace(
            history,
            curve_steps=before.curve_steps + history.curve_steps,
            curve_loss=before.curve_loss + history.curve_loss,
        ),
        earlier_seconds=pretraining.seconds + searched + found.scoring_seconds,
        search_updates=rewind + spec.levels * (task.steps - rewind),
        updates=dense.steps - start,
        facts=_facts(method, mask, found, rewind),
        mask=mask,
        weights=weights,
        start=start,
    )


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
