"""Stored results of a subset, and their score."""

from __future__ import annotations

import numpy as np

from dlth_bench.harness.grid import grid_runs, stored_result
from dlth_bench.harness.store import Store
from dlth_bench.scoring.racing import racing_note
from dlth_bench.scoring.scorecard import Cell, NotScorable, make_scorecard
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.result import TRAINING_VERSION, Result
from dlth_bench.spec.scorecard import Scorecard
from dlth_bench.spec.subset import Subset


def stored_results(protocol: Protocol, subset: Subset, store: Store) -> list[Result]:
    """The results that the store holds of the protocol's runs on the subset, by config and seed."""
    results = [stored_result(store, run) for run in grid_runs(protocol, subset)]
    return [result for result in results if result is not None]


def score_stored(protocol: Protocol, subset: Subset, store: Store) -> Scorecard:
    """The scorecard of what the store holds of a subset; runs that are missing are named in it."""
    return score_results(protocol, subset, stored_results(protocol, subset, store))


def score_results(protocol: Protocol, subset: Subset, results: list[Result]) -> Scorecard:
    """The scorecard of given results of a subset.

    Raises:
        NotScorable: they were not all trained on the same data.
    """
    found = _data_digest(protocol, results)
    cells: dict[str, list[Cell]] = {config.name: [] for config in protocol.configs}
    for result in results:
        cells[result.config].append(cell_of(result, protocol))
    card = make_scorecard(
        protocol, cells, subset_digest=subset.digest, classes=len(subset.class_ids), samples=subset.samples
    )
    notes = (*card.notes, *filter(None, [_about_racing(protocol, results)]))
    return card.model_copy(update={"manifest_digest": found, "notes": notes})


def _about_racing(protocol: Protocol, results: list[Result]) -> str:
    found = {(result.config, result.seed): result.accuracy for result in results}
    names = [config.name for config in protocol.configs]
    runs = [[found.get((name, seed)) for seed in protocol.seeds] for name in names]
    return (
        racing_note(names, np.array(runs, dtype=np.float64)) if len(results) < len(names) * len(protocol.seeds) else ""
    )


def _data_digest(protocol: Protocol, results: list[Result]) -> str | None:
    """The manifest digest that the protocol and all results have in common; None when none of them says it."""
    frozen = protocol.data.manifest_digest
    digests = {digest for digest in (frozen, *(result.manifest_digest for result in results)) if digest is not None}
    if len(digests) > 1:
        listed = ", ".join(sorted(digest[:12] for digest in digests))
        raise NotScorable(f"the results are of different data: {protocol.data.dataset} with the digests {listed}")
    return next(iter(digests), None)


def cell_of(result: Result, protocol: Protocol) -> Cell:
    """What the score needs of a result; a run below the protocol's underfit gate says so."""
    if result.status != "finished":  # whatever numbers it left are not those of a finished run
        return Cell(result.seed, None, f"seed {result.seed} {result.status}: {result.reason}", result.cost)
    device = "" if result.environment is None else result.environment.device
    return Cell(result.seed, result.value(protocol.metric), _problem(result, protocol), result.cost, device)


def _problem(result: Result, protocol: Protocol) -> str:
    """Why a finished result must not be ranked; empty when it may."""
    if result.training_version != TRAINING_VERSION:
        return (
            f"seed {result.seed} was trained by version {result.training_version} of the loop, not {TRAINING_VERSION}"
        )
    if result.value(protocol.metric) is None:
        return f"seed {result.seed} does not say its {protocol.metric.name}"
    gate = protocol.underfit
    if gate is None:
        return ""
    if result.train_accuracy is None:
        return f"seed {result.seed} does not say its training accuracy, so it may underfit"
    if result.train_accuracy < gate.min_train_accuracy:
        return (
            f"seed {result.seed} underfits: training top-1 {result.train_accuracy:.3f} < {gate.min_train_accuracy:.3f}"
        )
    return ""
