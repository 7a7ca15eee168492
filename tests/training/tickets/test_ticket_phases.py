"""Searches of all kinds where a subset replaces one phase only, and with measurements: what each part trains on."""

from __future__ import annotations

from typing import Any

import pytest
from ticket_runs import REWIND, STEPS, config
from tiny_training import BATCH, CLASSES, EVERYTHING, IMAGES_PER_CLASS, tiny_run

from dlth_bench.board.check_results import ticket_contradictions
from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.run import Result, Run
from dlth_bench.subsets.subset import Replaced, Subset
from dlth_bench.training.train_run import train_run

ROTNET = {"kind": "rotnet", "augment": EVERYTHING.model_dump()}
PROBE: dict[str, Any] = {
    "kind": "ticket_probe",
    "blocks": [1],
    "train": {"duration": {"steps": 20}, "batch_size": 8, "optimizer": {"kind": "sgd", "lr": 0.5}},
}
WHOLE, HALF = len(CLASSES) * IMAGES_PER_CLASS, len(CLASSES) * IMAGES_PER_CLASS // 2


def on_half(given: Config, glyphs: Glyphs, replaced: Replaced) -> tuple[Run, Result]:
    """The run whose subset, half of each class, replaces a phase, and its result."""
    halves = [glyphs.load("train", [item], IMAGES_PER_CLASS).sample_ids[: IMAGES_PER_CLASS // 2] for item in CLASSES]
    subset = Subset(dataset="glyphs", unit="sample", ids=tuple(item for half in halves for item in half))
    run = Run.on(subset, tiny_run(given).data, given, 0, replaces=replaced)
    result = train_run(run, glyphs, device="cpu")
    assert result.status == "finished", result.reason
    return run, result


@pytest.mark.parametrize(("replaced", "searched"), [("search", HALF), ("sparse_training", WHOLE)])
def test_search_with_a_task_of_its_own(replaced: Replaced, searched: int, glyphs: Glyphs) -> None:
    """It draws its share from the samples of its phase, and what it takes can be foretold."""
    given = config(search={"method": ROTNET, "share_of_samples": 0.75})
    run, result = on_half(given, glyphs, replaced)
    assert result.ticket is not None
    assert result.ticket.search_data is not None
    assert result.ticket.search_data.samples == 3 * searched // 4
    assert result.cost is not None
    assert result.cost.images == run.images_seen


@pytest.mark.parametrize(("replaced", "searched"), [("search", HALF), ("sparse_training", WHOLE)])
def test_search_on_critical_samples(replaced: Replaced, searched: int, glyphs: Glyphs) -> None:
    """Its set is of the samples of its phase, and its levels add up to what the run took."""
    given = config(prac={"early_bird": None})
    run, result = on_half(given, glyphs, replaced)
    assert result.ticket is not None
    prac = result.ticket.prac
    assert prac is not None
    assert prac.samples == searched >= prac.selected
    assert result.cost is not None
    assert run.images_seen is None
    assert result.cost.images == run.images_seen_with(prac=prac)
    assert not list(ticket_contradictions(result.ticket, given.pruning))


def test_critical_samples_of_the_first_layers_alone(glyphs: Glyphs) -> None:
    """Such a search prunes no weight of the layers beyond, and says how sparse the dense level was by itself."""
    given = config(prac={}, depth={"layers": 2})
    result = train_run(tiny_run(given), glyphs, device="cpu")
    assert result.ticket is not None
    assert given.pruning is not None
    assert result.ticket.live_weights == given.pruning.live_after(2, result.ticket.prunable_weights)
    whole = train_run(tiny_run(config(prac={})), glyphs, device="cpu").ticket
    assert whole is not None
    assert whole.prunable_weights > result.ticket.prunable_weights
    assert [level.natural_sparsity for level in result.ticket.levels] == [0, None]


@pytest.mark.parametrize(
    "pruning", [{"search": {"method": ROTNET}}, {"prac": {"early_bird": None}}], ids=["own-search", "prac"]
)
def test_tickets_of_any_search_are_measured(pruning: dict[str, Any], glyphs: Glyphs) -> None:
    """The probe looks at the ticket as it is before its training, and its cost comes on top."""
    plain = config(**pruning)
    measuring = Config.model_validate(plain.model_dump() | {"measure": [PROBE]})
    found, without = (train_run(tiny_run(each), glyphs, device="cpu") for each in (measuring, plain))
    assert [value.name for one in found.measured for value in one.values] == ["block-1-probe-accuracy"]
    assert found.ticket is not None
    assert without.ticket is not None
    assert found.ticket.mask_digest == without.ticket.mask_digest
    assert found.class_accuracy == without.class_accuracy
    assert found.cost is not None
    assert without.cost is not None
    assert found.cost.images == without.cost.images + WHOLE


def test_barrier_of_a_ticket_of_another_task_is_from_its_first_update(glyphs: Glyphs) -> None:
    """Such a ticket is trained from update 0 on, and so are the two children of a barrier."""
    plain = config(search={})
    barrier = {"kind": "barrier", "points": 3}
    measuring = Config.model_validate(plain.model_dump() | {"measure": [barrier]})
    result = train_run(tiny_run(measuring), glyphs, device="cpu")
    assert result.cost is not None
    assert result.cost.images == (REWIND + 2 * (STEPS - REWIND) + STEPS + 2 * STEPS) * BATCH
