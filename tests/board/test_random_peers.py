"""Next to random subsets: only those of the same size count, and the cost of selecting is counted."""

from __future__ import annotations

from board_examples import COST, OTHER_SUBSET, card_with, stored_with, tiny_protocol

from dlth_bench.board.columns import BOARD_COLUMNS
from dlth_bench.board.markdown import board_rows
from dlth_bench.board.rank import random_peers, same_cost, standing_among_random, told
from dlth_bench.protocols.protocol import Cost
from dlth_bench.scoring.scorecard import CostScore, Scorecard

SPENT = CostScore(subset=COST, full=None)
FREE = Cost(images=0, flops=0, device_seconds=0)


def random_card(spearman: float, index: int, **given: object) -> Scorecard:
    return card_with(spearman, cost=SPENT, **({"subset_digest": f"{index}" * 64} | given))


def test_peers_are_of_the_same_size_and_complete() -> None:
    """Neither the subset itself, nor one of another size, nor one with holes is compared with."""
    own = random_card(0.8, 1)
    others = [own, random_card(0.7, 2), random_card(0.6, 3, classes=4), random_card(0.5, 4, complete=False)]
    assert random_peers(own, others) == [others[1]]


def test_it_is_told_how_many_are_missing() -> None:
    """A newcomer reads how luck does, and what would make the comparison mean something."""
    assert told(standing_among_random(card_with(0.9), [])).startswith("No random subset of this size")
    found = standing_among_random(card_with(0.9), [random_card(value, i) for i, value in enumerate((0.5, 0.7, 0.9))])
    assert told(found) == (
        "Among 3 random subsets of this size: better than 83 %, +1.0 standard deviations from their mean (p .500). "
        "Needs 16 more random subsets before p can fall to .05."
    )


def test_cost_of_selection_buys_random_subsets() -> None:
    """Selecting for the cost of two grids could have trained two more random subsets; an unstated cost buys nothing."""
    own = card_with(0.9, cost=SPENT)
    peers = [random_card(0.5, index) for index in range(2)]
    twice = Cost(images=0, flops=2 * COST.flops, device_seconds=0)
    found = same_cost(own, twice, peers)
    assert found is not None
    assert (found.subsets, found.spearman, found.missing) == (3, None, 1)
    seconds = same_cost(own, Cost(images=0, flops=0, device_seconds=COST.device_seconds), peers)
    assert seconds is not None
    assert seconds.subsets == 2
    free = same_cost(own, FREE, peers)
    assert free is not None
    assert free.subsets == 1
    assert same_cost(own, None, peers) is None
    assert same_cost(own, FREE, []) is None


def test_the_board_shows_both() -> None:
    """Share of random subsets beaten, cost of selection, and what it buys, each in its column."""
    stored = [
        stored_with("mine", card_with(0.9, cost=SPENT), policy="erc", selection_cost=COST.model_dump()),
        stored_with("r", random_card(0.5, 1), policy="rs", subset_digest=OTHER_SUBSET.digest),
    ]
    mine, other = board_rows(stored, tiny_protocol())
    shown = {column.key: column.show(mine) for column in BOARD_COLUMNS}
    assert (shown["random"], shown["selection_cost"], shown["same_cost"]) == ("100 % of 1", "10 s", "– (2)")
    assert {column.key: column.show(other) for column in BOARD_COLUMNS}["selection_cost"] == "none"
