"""A run that prunes: its search, where that is kept and with whom it is shared, its ticket, and what all of it cost."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlth_bench.protocols.tickets import PracFacts, PruningSpec
from dlth_bench.runs.store import CRITICAL_FILE, SEARCH_FILE
from dlth_bench.subsets.subset import Subset
from dlth_bench.training.data import PhaseData, Resident
from dlth_bench.training.evaluation import Outcome, classified
from dlth_bench.training.measurements.measure import with_measurements
from dlth_bench.training.measurements.subject import Subject
from dlth_bench.training.tickets.critical_set import CriticalSet, save_critical_file
from dlth_bench.training.tickets.search import LevelTrainer, SearchTask, alone, saved_mask, search_task
from dlth_bench.training.tickets.ticket import Searched, searched, trained_ticket
from dlth_bench.util.files import write_atomically

if TYPE_CHECKING:
    from dlth_bench.training.train_run import Execution


@dataclass(frozen=True)
class _Search:
    """A search and what it took, whoever did it.

    Attributes:
        task: what it trained in place of the config; None: the config.
        updates: up to the rewind point and of all levels.
        images, training_flops: samples drawn in these, and their operations.
    """

    found: Searched
    task: SearchTask | None
    updates: int
    images: int
    training_flops: float

    @property
    def flops(self) -> float:
        """Of training and of scoring."""
        return self.training_flops + self.found.found.scoring_flops


def ticket_outcome(execution: Execution, spec: PruningSpec, data: PhaseData) -> Outcome:
    """Search for the ticket of a run, train it and measure it; its cost is that of all, however much other runs did.

    Raises:
        ValueError: the rewind point is not before the end of training.
        Diverged: a loss or a score is no number.
    """
    source = _source_search(execution, spec, data.search)
    fixed = None if source is None else source.found.found.critical
    search = _search(execution, spec, data.search, execution.folder, fixed)
    trainer = execution.level_trainer(data.sparse_training, execution.folder)
    ticket = trained_ticket(spec, trainer, search.found)
    execution.keep_encoder_of(ticket.method)
    updates = trainer.dense.steps - ticket.start
    spent = [search] if source is None else [search, source]
    outcome = replace(
        classified(execution, ticket.method, data.sparse_training),
        pretrain=ticket.history,
        images=updates * trainer.dense.spec.batch_size + sum(each.images for each in spent),
        flops=updates * trainer.step_flops + sum(each.flops for each in spent),
        earlier_seconds=sum(each.found.seconds for each in spent),
        ticket=ticket.facts.model_copy(update=_search_facts(execution, spec, search, source, data.search)),
    )
    probe, specs = data.probe, execution.config.measure
    if not specs:
        return outcome
    subject = Subject(trainer, ticket.weights, ticket.mask, ticket.start, probe.train_images, probe.train_labels)
    return with_measurements(outcome, specs, subject, {})


def _search(
    execution: Execution,
    spec: PruningSpec,
    data: Resident,
    run_folder: Path | None,
    fixed: CriticalSet | None = None,
) -> _Search:
    """The search of a run, found in the folder that it shares or made there; the run's folder says which that is."""
    folder = _shared_folder(execution, spec)
    trainer, task = _searcher(execution, spec, data, folder or execution.folder)
    if folder is None:
        found = searched(spec, trainer, fixed=fixed)
    else:
        if run_folder is not None:
            _note_search(run_folder, folder)
        waiting = partial(execution.report, "search by another run", 0, 1)
        with alone(folder, lambda: saved_mask(folder, spec.rounds) is not None, waiting):
            found = searched(spec, trainer, fixed=fixed)
    whole = trainer.dense.steps - found.rewind
    levels = found.found.levels
    updates = found.rewind + sum(whole if level.prac is None else level.prac.updates for level in levels)
    images = updates * trainer.dense.spec.batch_size
    return _Search(found, task, updates, images, training_flops=updates * trainer.step_flops)


def _searcher(
    execution: Execution, spec: PruningSpec, data: Resident, folder: Path | None
) -> tuple[LevelTrainer, SearchTask | None]:
    """How the levels of a search are trained, and its task where that is not the config's."""
    trainer, run = execution.level_trainer(data, folder), execution.run
    if spec.search is None:
        return trainer, None
    task = search_task(execution.config, spec.search, data.train_labels, len(run.class_ids), run.seed)
    return task.trainer(trainer, partial(execution.new_method, task.config, task.classes)), task


def _source_search(execution: Execution, spec: PruningSpec, data: Resident) -> _Search | None:
    """The search with another network whose critical set a config trains on; None for its own set."""
    if spec.prac is None or spec.prac.source is None:
        return None
    own = spec.model_copy(update={"prac": spec.prac.model_copy(update={"source": None}), "baseline": None})
    config = execution.config.model_copy(update={"backbone": spec.prac.source, "pruning": own})
    return _search(execution.beside(config, "source"), own, data, execution.folder)


def _shared_folder(execution: Execution, spec: PruningSpec) -> Path | None:
    """Where runs keep the search that they share; None where there is no such place, or nothing is trained."""
    if execution.searches is None or not spec.levels:
        return None
    digest = execution.run.search_digest(execution.dataset.manifest_digest)
    return execution.searches / digest[:2] / digest


def _note_search(run_folder: Path, folder: Path) -> None:
    """Say in a run's folder where a search of the run is; one with another network has a line of its own."""
    file, way = run_folder / SEARCH_FILE, Path(os.path.relpath(folder, run_folder)).as_posix()
    known = file.read_text().splitlines() if file.is_file() else []
    if way not in known:
        write_atomically(file, "".join(f"{each}\n" for each in (*known, way)).encode())


def _search_facts(
    execution: Execution, spec: PruningSpec, search: _Search, source: _Search | None, data: Resident
) -> dict[str, Any]:
    """What a result says of the search, by field of `TicketFacts`; a critical set is left in the run's folder, too."""
    facts: dict[str, Any] = {}
    if spec.levels:
        facts["search"] = execution.run.search_digest(execution.dataset.manifest_digest)
    if search.task is not None:
        class_ids, flops = execution.run.class_ids, search.training_flops
        facts["search_data"] = search.task.facts(class_ids, images=search.images, flops=flops)
    critical = search.found.found.critical
    if critical is not None:
        if execution.folder is not None:
            path = execution.folder / CRITICAL_FILE
            save_critical_file(path, critical, execution.run, data.train_ids, data.train_labels)
        facts["prac"] = _prac_facts(execution, spec, critical, search, source, data)
    return facts


def _prac_facts(
    execution: Execution,
    spec: PruningSpec,
    critical: CriticalSet,
    search: _Search,
    source: _Search | None,
    data: Resident,
) -> PracFacts:
    ids = tuple(data.train_ids[position] for position in critical.positions.tolist())
    levels, finding = search.found.found.levels, source or search
    return PracFacts(
        samples=len(data.train_ids),
        selected=critical.count,
        set_digest=Subset(dataset=execution.run.data.dataset, unit="sample", ids=ids).digest,
        search_updates=sum(level.prac.updates for level in levels if level.prac is not None),
        vanilla_updates=spec.search_updates(execution.config.train, len(data.train_ids)),
        source_updates=0 if source is None else source.updates,
        source_levels=() if source is None else tuple(each.prac for each in source.found.found.levels if each.prac),
        images=finding.images,
        flops=finding.flops,
        device_seconds=finding.found.seconds,
    )
