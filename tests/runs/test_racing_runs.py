"""Racing on a store: which configs get the next seed, from what is stored."""

from __future__ import annotations

import pytest

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.score import score_stored, wanted
from dlth_bench.runs.store import Store
from tiny_grid import SUBSET, broken, finished, with_reference

ACCURACIES = {"moco": (0.50, 0.51), "mae": (0.52, 0.51), "supervised": (0.93, 0.94)}


@pytest.fixture
def three_seeds(tiny: Protocol) -> Protocol:
    return with_reference(tiny.model_copy(update={"seeds": (0, 1, 2)}))


def _store_two_seeds(protocol: Protocol, store: Store) -> None:
    for run in grid_runs(protocol, SUBSET, seeds=[0, 1]):
        store.save(run, finished(run, ACCURACIES[run.config.name][run.seed]))


def test_a_settled_config_gets_no_further_seed(three_seeds: Protocol, store: Store) -> None:
    """All configs get their first two seeds, and only those whose place is open the third."""
    assert wanted(three_seeds, SUBSET, store, 2) == ["moco", "mae", "supervised"]
    _store_two_seeds(three_seeds, store)
    assert wanted(three_seeds, SUBSET, store, 2) == ["moco", "mae"]


def test_a_raced_scorecard_says_so_and_has_no_rank(three_seeds: Protocol, store: Store) -> None:
    """Its missing runs are named, it is incomplete, and a note says that a race left them out."""
    _store_two_seeds(three_seeds, store)
    for run in grid_runs(three_seeds, SUBSET, seeds=[2], configs=["moco", "mae"]):
        store.save(run, finished(run, 0.51))
    card = score_stored(three_seeds, SUBSET, store)
    assert not card.complete
    assert any("raced: 1 of 9 runs" in note and "supervised" in note for note in card.notes)


def test_a_missing_run_that_was_not_raced_is_no_race(three_seeds: Protocol, store: Store) -> None:
    """A run that broke down, or that somebody left out, is not taken for a settled one."""
    _store_two_seeds(three_seeds, store)
    run = grid_runs(three_seeds, SUBSET, seeds=[1], configs=["mae"])[0]
    store.save(run, broken(run))
    card = score_stored(three_seeds, SUBSET, store)
    assert not any("raced" in note for note in card.notes)
