"""The stability protocols carry the paper's numbers, and those without a reference score nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy.stats import spearmanr

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.scoring.score import NotScorable, make_scorecard

TABLES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("stability_tables.yaml").read_text())
UNITS = {"forgetting": 1.0, "connectivity": 200.0}
"""What a printed number is divided by, 100 by default."""

GRID = [(momentum, rewinds, batch) for rewinds in (False, True) for momentum in (0.0, 0.9) for batch in (100, 256)]


def protocol_of(name: str) -> Protocol:
    return find_protocol(f"cifar10-tickets-{name}")


@pytest.mark.parametrize("name", ["stability", "fewshot", "probe", "transfer", "forgetting", "connectivity", "removal"])
def test_references_are_the_printed_numbers(name: str) -> None:
    """In the order of the configs, in the metric's unit, with the printed spread where there is one."""
    protocol = protocol_of(name)
    assert protocol.reference is not None
    found = [protocol.reference.configs[config.name] for config in protocol.configs]
    unit = UNITS.get(name, 100.0)
    assert [entry.mean for entry in found] == pytest.approx([value / unit for value in TABLES[name]])
    if f"{name}_std" in TABLES:
        assert [entry.std for entry in found] == pytest.approx([std / 100 for std in TABLES[f"{name}_std"]])
    assert "manuscript), Table" in protocol.reference.source


@pytest.mark.parametrize("name", ["stability", "fewshot", "probe", "transfer"])
def test_the_grid_is_momentum_by_rewinding_by_batch(name: str) -> None:
    """A reference is of a recipe: exchanged rows would go unnoticed otherwise."""
    protocol = protocol_of(name)
    found = []
    for config in protocol.configs:
        assert config.pruning is not None
        found.append((config.train.optimizer.momentum, config.pruning.rewind is not None, config.train.batch_size))
    assert found == GRID
    rounds = {config.pruning.rounds for config in protocol.configs if config.pruning is not None}
    assert rounds == {20 if name == "stability" else 10}


def test_small_random_samples_do_not_rank_the_papers_tickets() -> None:
    """What the few-shot protocol says of the paper's own samples follows from the paper's tables."""
    assert spearmanr(TABLES["fewshot_1_percent"], TABLES["fewshot"]).statistic == pytest.approx(-0.05, abs=0.01)


@pytest.mark.parametrize("name", ["methods", "rewind", "prac", "lowsup", "layerwise"])
def test_without_a_measured_reference_nothing_is_scored(name: str) -> None:
    """Pictures have no numbers to copy: the protocol says so instead of inventing some."""
    protocol = protocol_of(name)
    assert protocol.reference is None
    with pytest.raises(NotScorable, match="no full-data reference yet"):
        make_scorecard(protocol, {})


def test_what_a_subset_replaces() -> None:
    """Probes and transfer judge the search, few shots the training of tickets; all of these take samples only."""
    names = ("stability", "probe", "transfer", "fewshot", "rewind", "prac", "lowsup", "layerwise")
    found = {name: protocol_of(name).subset.replaces for name in names}
    expected = {"stability": "training", "fewshot": "sparse_training"}
    assert found == dict.fromkeys(found, "search") | expected


def test_momentum_is_compared_at_equal_effective_rates() -> None:
    """The example that asks what momentum does has pairs that differ in it alone, and one pair of equal plain rate."""
    protocol = find_protocol(str(Path(__file__).parents[2] / "docs" / "glyphs-momentum.yaml"))
    found = {config.name: config.train.optimizer for config in protocol.configs}
    effective = {name: optimizer.lr / (1 - optimizer.momentum) for name, optimizer in found.items()}
    assert {optimizer.momentum for optimizer in found.values()} == {0.0, 0.9}
    for pair in ("slow", "fast"):
        assert effective[f"{pair}-m0"] == pytest.approx(effective[f"{pair}-m9"])
    assert found["even-m9"].lr == found["slow-m0"].lr
