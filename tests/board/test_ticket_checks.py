"""What the board checks of tickets: as sparse as the config says, and only where one prunes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from board_examples import results_of, submit, tiny_protocol

from dlth_bench.board.check import check_submission
from dlth_bench.board.check_results import ticket_contradictions
from dlth_bench.protocols.tickets import PracFacts, PracLevel, PracSpec, PruningSpec
from dlth_bench.runs.run import Level, TicketFacts
from dlth_bench.util.errors import InputError

TICKET = TicketFacts(
    rewind_step=0,
    prunable_weights=1000,
    live_weights=640,
    density=0.64,
    total_density=0.7,
    mask_digest="0" * 64,
    levels=(Level(density=1.0, accuracy=0.5), Level(density=0.8, accuracy=0.5)),
)


@pytest.mark.parametrize(
    ("ticket", "told"),
    [
        (None, "lacks the ticket that its config is to find"),
        (
            TICKET.model_copy(update={"live_weights": 900}),
            "has 900 of 1000 weights after 2 levels.*the config leaves 640",
        ),
        (TICKET.model_copy(update={"levels": ()}), "640 of 1000 weights after 0 levels.*the config leaves 640 after 2"),
    ],
)
def test_tickets_of_another_size_are_found(tmp_path: Path, ticket: TicketFacts | None, told: str) -> None:
    """A denser ticket than the config's, which would do better, or one found in fewer rounds, is not its result."""
    protocol = tiny_protocol()
    first = protocol.configs[0].model_copy(update={"pruning": PruningSpec(rounds=2)})
    protocol = protocol.model_copy(update={"configs": (first, *protocol.configs[1:])})
    results = [
        result.model_copy(update={"ticket": TICKET if result.config == first.name else None})
        for result in results_of(protocol)
    ]
    check_submission(submit(tmp_path, "true", protocol=protocol, results=results), protocol)
    edited = [results[0].model_copy(update={"ticket": ticket}), *results[1:]]
    with pytest.raises(InputError, match=told):
        check_submission(submit(tmp_path, "edited", protocol=protocol, results=edited), protocol)


def test_ticket_of_a_config_that_does_not_prune_is_found(tmp_path: Path) -> None:
    """Results say what their runs do."""
    protocol = tiny_protocol()
    results = results_of(protocol)
    edited = [results[0].model_copy(update={"ticket": TICKET}), *results[1:]]
    with pytest.raises(InputError, match="has a ticket, but its config does not prune"):
        check_submission(submit(tmp_path, "edited", protocol=protocol, results=edited), protocol)


def prac_ticket(**changes: int) -> TicketFacts:
    """A ticket found on critical samples in 2 levels of 40 and 25 updates."""
    facts = {"samples": 100, "selected": 50, "search_updates": 65, "vanilla_updates": 80} | changes
    levels = [
        level.model_copy(update={"prac": PracLevel(samples=count, updates=updates)})
        for level, count, updates in zip(TICKET.levels, (100, 60), (40, 25), strict=True)
    ]
    return TICKET.model_copy(update={"prac": PracFacts(set_digest="1" * 64, **facts), "levels": tuple(levels)})


@pytest.mark.parametrize(
    ("ticket", "told"),
    [
        (TICKET, "has facts of critical samples if and only if"),
        (prac_ticket(selected=101), "tells of a set of 101 of 100 samples"),
        (prac_ticket(search_updates=64), "tells of 64 updates of a search"),
    ],
)
def test_critical_sets_are_checked(ticket: TicketFacts, told: str) -> None:
    """A search on critical samples says what it took, and its parts add up."""
    pruning = PruningSpec(rounds=2, prac=PracSpec())
    assert any(re.search(told, problem) for _, problem, _ in ticket_contradictions(ticket, pruning))
    assert not list(ticket_contradictions(prac_ticket(), pruning))
