"""A config that prunes: its search, alone or shared with other runs, its ticket, and what all of it cost.

The search and the ticket are trained alike, by one template of stages, or the search has a template of its own: another
task, on which it finds the mask and the encoder's weights, or other data. The ticket is trained and judged as the
config says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from dlth_bench.protocols.tickets import PracFacts, PruningSpec
from dlth_bench.runs.run import TicketFacts
from dlth_bench.runs.store import CRITICAL_FILE, MASK_FILE, SEARCH_FILE
from dlth_bench.subsets.subset import Subset
from dlth_bench.training.evaluation import RunOutcome, classify
from dlth_bench.training.loop import History
from dlth_bench.training.measurements.measure import add_measurements
from dlth_bench.training.measurements.subject import Subject
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.random import stream_generator
from dlth_bench.training.run_context import RunContext
from dlth_bench.training.tickets.critical_set import CriticalSet, save_critical_file
from dlth_bench.training.tickets.masks import Mask, save_mask
from dlth_bench.training.tickets.prac import PracSearch
from dlth_bench.training.tickets.scores import Scorer, permuted_in_layers
from dlth_bench.training.tickets.search import (
    Found,
    LevelTrainer,
    Search,
    SearchTask,
    Weights,
    copy_weights,
    level_name,
    level_trainer,
    load_found,
    lock_search,
    search_task,
    train_to_rewind,
)
from dlth_bench.util.files import write_atomically


def train_ticket(context: RunContext, spec: PruningSpec) -> RunOutcome:
    """Search for the ticket of a run, train it and measure it; its cost is that of all, however much other runs did.

    Raises:
        ValueError: the rewind point is not before the end of training.
        Diverged: a loss or a score is no number.
    """
    source = _source_search(context, spec)
    fixed = None if source is None else source.found.critical
    search = _search(context, spec, context.folder, fixed)
    trainer = level_trainer(context, context.data.sparse_training, context.folder)
    ticket = train_found_ticket(spec, trainer, search)
    context.save_encoder(ticket.method)
    updates = trainer.dense.steps - ticket.start
    spent = [search] if source is None else [search, source]
    outcome = replace(
        classify(context, ticket.method, context.data.sparse_training),
        pretrain=ticket.history,
        images=updates * trainer.dense.spec.batch_size + sum(each.images for each in spent),
        flops=updates * trainer.step_flops + sum(each.flops for each in spent),
        earlier_seconds=sum(each.seconds for each in spent),
        ticket=ticket.facts.model_copy(update=_search_facts(context, spec, search, source)),
    )
    probe, specs = context.data.probe, context.config.measure
    if not specs:
        return outcome
    subject = Subject(trainer, ticket.weights, ticket.mask, ticket.start, probe.train_images, probe.train_labels)
    return add_measurements(outcome, specs, subject, {})


def _search(
    context: RunContext, spec: PruningSpec, run_folder: Path | None, fixed: CriticalSet | None = None
) -> FinishedSearch:
    """The search of a run, found in the folder that it shares or made there; the run's folder says which that is."""
    data, folder = context.data.search, _shared_folder(context, spec)
    trainer, task = level_trainer(context, data, folder or context.folder), None
    if spec.search is not None:
        task = search_task(context.config, spec.search, data.train_labels, context.classes, context.run.seed)
        trainer = task.trainer(trainer, partial(context.new_method_of, task.config, task.classes))
    if folder is None:
        found = search_ticket(spec, trainer, fixed=fixed)
    else:
        if run_folder is not None:
            _note_search(run_folder, folder)
        waiting = partial(context.stages.report, "search by another run", 0, 1)
        with lock_search(folder, lambda: load_found(folder, spec.rounds) is not None, waiting):
            found = search_ticket(spec, trainer, fixed=fixed)
    return replace(found, task=task)


def _source_search(context: RunContext, spec: PruningSpec) -> FinishedSearch | None:
    """The search with another network whose critical set a config trains on; None for its own set."""
    if spec.prac is None or spec.prac.source is None:
        return None
    own = spec.model_copy(update={"prac": spec.prac.model_copy(update={"source": None}), "baseline": None})
    config = context.config.model_copy(update={"backbone": spec.prac.source, "pruning": own})
    return _search(context.with_config(config, "source"), own, context.folder)


def _shared_folder(context: RunContext, spec: PruningSpec) -> Path | None:
    """Where runs keep the search that they share; None where there is no such place, or nothing is trained."""
    if context.searches is None or not spec.levels:
        return None
    digest = context.run.search_digest(context.dataset.manifest_digest)
    return context.searches / digest[:2] / digest


def _note_search(run_folder: Path, folder: Path) -> None:
    """Say in a run's folder where a search of the run is; one with another network has a line of its own."""
    file, way = run_folder / SEARCH_FILE, Path(os.path.relpath(folder, run_folder)).as_posix()
    known = file.read_text().splitlines() if file.is_file() else []
    if way not in known:
        write_atomically(file, "".join(f"{each}\n" for each in (*known, way)).encode())


def _search_facts(
    context: RunContext, spec: PruningSpec, search: FinishedSearch, source: FinishedSearch | None
) -> dict[str, Any]:
    """What a result says of the search, by field of `TicketFacts`; a critical set is left in the run's folder, too."""
    facts: dict[str, Any] = {}
    data = context.data.search
    if spec.levels:
        facts["search"] = context.run.search_digest(context.dataset.manifest_digest)
    if search.task is not None:
        class_ids, flops = context.run.class_ids, search.training_flops
        facts["search_data"] = search.task.facts(class_ids, images=search.images, flops=flops)
    critical = search.found.critical
    if critical is not None:
        if context.folder is not None:
            path = context.folder / CRITICAL_FILE
            save_critical_file(path, critical, context.run, data.train_ids, data.train_labels)
        facts["prac"] = _prac_facts(context, spec, critical, search, source)
    return facts


def _prac_facts(
    context: RunContext,
    spec: PruningSpec,
    critical: CriticalSet,
    search: FinishedSearch,
    source: FinishedSearch | None,
) -> PracFacts:
    every = context.data.search.train_ids
    ids = tuple(every[position] for position in critical.positions.tolist())
    levels, finding = search.found.levels, source or search
    return PracFacts(
        samples=len(every),
        selected=critical.count,
        set_digest=Subset(dataset=context.run.data.dataset, unit="sample", ids=ids).digest,
        search_updates=sum(level.prac.updates for level in levels if level.prac is not None),
        vanilla_updates=spec.search_updates(context.config.train, len(every)),
        source_updates=0 if source is None else source.updates,
        source_levels=() if source is None else tuple(each.prac for each in source.found.levels if each.prac),
        images=finding.images,
        flops=finding.flops,
        device_seconds=finding.seconds,
    )


@dataclass(frozen=True)
class FinishedSearch:
    """A search at its end, and what it took, whoever did it.

    Attributes:
        origin: the weights at the rewind point, which is ``rewind`` updates after the start.
        pretraining: the dense training up to there.
        updates: up to the rewind point and of all levels.
        images, training_flops: samples drawn in these, and their operations.
        task: what it trained in place of the config; None: the config.
    """

    found: Found
    origin: Weights
    pretraining: History
    rewind: int
    updates: int
    images: int
    training_flops: float
    task: SearchTask | None = None

    @property
    def flops(self) -> float:
        """Of training and of scoring."""
        return self.training_flops + self.found.scoring_flops

    @property
    def seconds(self) -> float:
        """Wall seconds of all trainings and scorings, whoever did them."""
        levels = sum(level.device_seconds for level in self.found.levels)
        return self.pretraining.seconds + levels + self.found.scoring_seconds


def search_ticket(spec: PruningSpec, trainer: LevelTrainer, *, fixed: CriticalSet | None = None) -> FinishedSearch:
    """Search for a ticket, from what there is in the trainer's folder on.

    Args:
        fixed: a critical set to train on, in place of one of the search's own.
    """
    dense = trainer.dense
    rewind = spec.rewind_step(dense.spec, dense.trained_samples)
    origin, pretraining = train_to_rewind(trainer, rewind)
    scorer = Scorer(spec.score, dense.samples, dense.labels, trainer.pixels, dense.seed)
    if spec.prac is None:
        search = Search(spec, trainer, scorer, origin, rewind)
    else:
        search = PracSearch(spec, trainer, scorer, origin, rewind, spec.prac, fixed)
    found = search.find()
    whole = dense.steps - rewind
    updates = rewind + sum(whole if level.prac is None else level.prac.updates for level in found.levels)
    flops = updates * trainer.step_flops
    return FinishedSearch(found, origin, pretraining, rewind, updates, updates * dense.spec.batch_size, flops)


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


def train_found_ticket(spec: PruningSpec, trainer: LevelTrainer, search: FinishedSearch) -> TrainedTicket:
    """Train the ticket that a search found, or its control, on all of its samples.

    Args:
        trainer: how the ticket is trained, and on which data; the search may have had others.
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
        mask = permuted_in_layers(mask, stream_generator(trainer.dense.seed, "permuted-mask"))
    if spec.baseline in {"reinit", "random_ticket"}:
        weights = copy_weights(trainer.new_method("reinit").state_dict())
    return mask, weights


def _with_new_classifier(trainer: LevelTrainer, origin: Weights) -> Weights:
    """The encoder of a search's rewind point, and a classifier of a stream of its own: the search may have had none."""
    encoder = {name: tensor for name, tensor in origin.items() if name.startswith("encoder.")}
    return copy_weights(trainer.new_method("classifier").state_dict() | encoder)


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
