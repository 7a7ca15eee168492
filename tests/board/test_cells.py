"""A board of several sizes and lengths of training: who competes with whom, and what the cells say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from board_examples import card_with, markdown_of, stored_with, tiny_protocol

from dlth_bench.board.board import Board
from dlth_bench.board.cells import cheapest_safe, frontier, rows_by_cell, verdict
from dlth_bench.board.markdown import board_rows
from dlth_bench.board.site.build import site_pages
from dlth_bench.board.site.submission_page import reproduce_command
from dlth_bench.board.submission import Cell
from dlth_bench.board.submission_folder import StoredSubmission
from dlth_bench.protocols.protocol import Cost, Protocol
from dlth_bench.scoring.scorecard import CostScore
from dlth_bench.util.text import correlation

FULL = Cost(images=1000, flops=1e9, device_seconds=10.0)


def sized_protocol() -> Protocol:
    """Two lengths of training; what it takes is not looked at by the board."""
    return tiny_protocol().model_copy(update={"exponents": (0.0, 1.0)})


def stored(
    name: str, spearman: float, share: float, exponent: float = 0.0, policy: str = "rs", classes: int = 3
) -> StoredSubmission:
    """A submission whose runs took a share of the full data's operations."""
    cost = CostScore(subset=Cost(images=100, flops=1e9 * share, device_seconds=1.0), full=FULL, flops_saved=1 - share)
    card = card_with(spearman, classes=classes, exponent=exponent, cost=cost, protocol_digest=sized_protocol().digest)
    made = stored_with(name, card, policy=policy, exponent=exponent, classes=classes)
    digest = sized_protocol().digest
    return replace(made, metadata=made.metadata.model_copy(update={"protocol_digest": digest}))


SUBMISSIONS = (
    *(stored(f"small-{index}", value, 0.1) for index, value in enumerate((0.5, 0.7, 0.6))),
    *(stored(f"long-{index}", value, 1.0, exponent=1.0) for index, value in enumerate((0.95, 0.96, 0.97))),
    stored("chosen", 0.75, 0.1, policy="erc"),
    stored("lone", 0.8, 0.3, classes=9),
)


def test_a_subset_competes_with_those_of_its_size_and_length() -> None:
    """Ranks begin anew in every cell, so that a dear subset takes nothing from a cheap one."""
    rows = board_rows(SUBMISSIONS, sized_protocol())
    cells = rows_by_cell(rows)
    assert [cell.title for cell in cells] == [
        "3 classes, equal epochs",
        "3 classes, equal updates",
        "9 classes, equal epochs",
    ]
    names = [[row.metadata.name for row in some] for some in cells.values()]
    assert names == [["chosen", "small-1", "small-2", "small-0"], ["long-2", "long-1", "long-0"], ["lone"]]
    assert [str(some[0].rank) for some in cells.values()] == ["1–4", "1–3", "1"]


def test_a_page_tells_how_to_train_it_again() -> None:
    """At the length at which it was trained."""
    assert reproduce_command(SUBMISSIONS[3]).endswith("/long-0/subset.txt --exponent 1")
    assert "--exponent" not in reproduce_command(SUBMISSIONS[0])


def test_the_frontier_is_of_random_subsets() -> None:
    """Mean, t-interval and lowest of each cell, the cheapest first; a chosen subset is not part of the null."""
    small, lone, long = frontier(board_rows(SUBMISSIONS, sized_protocol()))
    assert (small.cell, small.count, small.worst) == (Cell("class", 3, 0.0), 3, 0.5)
    assert (small.cost, lone.cost, long.cost) == pytest.approx((0.1, 0.3, 1.0))
    assert small.spearman == pytest.approx(0.6)
    # Student's t of two degrees of freedom: 4.303; std .1 over the root of 3
    assert (small.low, small.high) == pytest.approx(
        (0.6 - 4.3027 * 0.1 / 3**0.5, 0.6 + 4.3027 * 0.1 / 3**0.5), abs=1e-4
    )
    assert (lone.low, lone.high) == (None, None)


def test_safe_is_what_lies_above_at_95_percent() -> None:
    rows = board_rows(SUBMISSIONS, sized_protocol())
    scores = frontier(rows)
    safe = cheapest_safe(scores)
    assert safe is not None
    assert safe.cell == Cell("class", 3, 1.0)
    assert "3 classes, equal updates, at 100 % of the full data's cost" in verdict(scores)
    assert verdict(scores[:2]).startswith("No cell")


def _section(found: Sequence[StoredSubmission]) -> str:
    return markdown_of(found, [sized_protocol()])


def test_the_board_has_a_table_a_cell() -> None:
    text = _section(SUBMISSIONS)
    assert text.count("\n### ") == 4
    assert "nan" not in text
    # No pair of rows is told apart: said once, and the rank of each is left out.
    assert "Seed noise tells no two of these apart" in text
    assert "1–4" not in text


def test_rows_without_a_rank_are_not_called_tied() -> None:
    """Of runs that underfit nothing is known but that they do; the sentence is about rows with a rank."""
    broken = [replace(one, scorecard=one.scorecard.model_copy(update={"complete": False})) for one in SUBMISSIONS[:3]]
    text = _section(broken)
    assert "Seed noise tells no two" not in text
    assert "How small" not in text  # of random subsets without a rank there is no frontier
    protocol = sized_protocol()
    pages = site_pages([Board(protocol, board_rows(broken, protocol))])
    assert all("The cheapest that is safe" not in page.decode() for page in pages.values())
    assert "No cell" not in pages["index.html"].decode()


def test_the_site_has_the_answer_first_and_a_table_a_cell() -> None:
    protocol = sized_protocol()
    pages = site_pages([Board(protocol, board_rows(SUBMISSIONS, protocol))])
    index, page = (pages[name].decode() for name in ("index.html", f"protocols/{protocol.key}.html"))
    assert "3 classes, equal updates, at 100 %" in index
    assert page.count('<table class="board">') == 3
    assert "Time saved" not in page  # a clock's, and the cost is the cell's
    assert f'<td class="n">{correlation(0.97)} ' in index  # the best ρs of all cells, not that of the first
    alone = pages[f"submissions/{protocol.key}/long-1.html"].decode()
    assert "<small>of 3, tie group 1</small>" in alone
    assert page.index("The cheapest that is safe") < page.index('<table class="board">')
