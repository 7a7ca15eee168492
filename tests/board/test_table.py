"""The board as Markdown: right numbers, fixed bytes, and strangers' text shown as it is."""

from __future__ import annotations

import html
from pathlib import Path

from board_examples import COST, OTHER_SUBSET, card_with, markdown_of, results_of, stored_with, submit, tiny_protocol

from dlth_bench.board.columns import BOARD_COLUMNS
from dlth_bench.board.markdown import board_rows
from dlth_bench.board.row import Row, flags
from dlth_bench.protocols.protocol import Cost
from dlth_bench.scoring.scorecard import CorrelationScore, CostScore, DecisionScore
from dlth_bench.util.text import escaped

HOSTILE = "|[x](https://evil.org)<script>alert`1`</script>&amp;*_~#\\!${}@"


def _line(board: str, name: str) -> list[str]:
    """The cells of the row of a submission."""
    row = next(line for line in board.splitlines() if line.startswith("|") and name in line)
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_row_holds_the_scorecards_numbers() -> None:
    """Every column shows its number, in the unit of its title."""
    card = card_with(
        0.821,
        0.612,
        1.0,
        decision=DecisionScore(picked="alpha", best="beta", regret=0.0123, pairs_agreed=5, pairs_resolved=6),
        cost=CostScore(subset=COST, full=Cost(images=9, flops=9, device_seconds=9), images_saved=0.9,
                       device_seconds_saved=0.875),
    )  # fmt: skip
    card = card.model_copy(update={"spearman": card.spearman.model_copy(update={"p_value": 0.0002})})
    board = markdown_of([stored_with("mine", card, policy="PD-Bottom")], [tiny_protocol()])
    expected = [
        "1",
        "1",
        "mine",
        "PD-Bottom",
        "3",
        ".821 [.612, 1.000]",
        ".500 –",
        ".821",
        "<.001",
        "1.2",
        "5/6",
        "90.0",
    ]
    assert _line(board, "mine") == [*expected, "8.0×", "–", "–", "–", "self-reported", ""]


def test_what_is_unknown_is_a_dash() -> None:
    """A number that does not exist is not invented."""
    cells = _line(markdown_of([stored_with("mine", card_with(None))], [tiny_protocol()]), "mine")
    assert cells[:2] == ["–", "–"]
    assert cells[5] == "– –"
    assert cells[8:13] == ["–"] * 5


def test_same_submissions_give_the_same_bytes(tmp_path: Path) -> None:
    """The file changes only when a submission does, whatever order they are read in."""
    stored = [submit(tmp_path, name) for name in ("a", "b", "c")]
    assert markdown_of(stored, [tiny_protocol()]) == markdown_of(stored[::-1], [tiny_protocol()])


def test_hostile_text_stays_text() -> None:
    """No pipe, bracket, backtick or tag of a submitter's reaches the page as markup, and the table keeps its shape."""
    text = HOSTILE[:60]
    board = markdown_of([stored_with("mine", card_with(0.5), policy=text)], [tiny_protocol()])
    cells = _line(board, "mine")
    assert len(cells) == len(BOARD_COLUMNS)
    assert "<script" not in board
    assert not set("|[]<>`*_~\\!${}@") & set(cells[3])


def test_escaped_text_reads_as_it_was() -> None:
    """Escaping changes how the text is written, not what a reader sees."""
    assert html.unescape(escaped(HOSTILE)) == HOSTILE
    assert escaped("two\nlines\x1b[0m").isprintable()


def test_link_only_where_there_is_a_url() -> None:
    """A submission's page is linked from its name."""
    with_url = markdown_of([stored_with("mine", card_with(0.5), url="https://x.org/a_b*c")], [tiny_protocol()])
    assert _line(with_url, "mine")[2] == "[mine](<https://x.org/a_b*c>)"
    assert _line(markdown_of([stored_with("mine", card_with(0.5))], [tiny_protocol()]), "mine")[2] == "mine"


def test_only_its_own_protocols_submissions() -> None:
    """A submission under another version of the grid is not in the table."""
    other = tiny_protocol({"alpha": (0.9, 0.8), "beta": (0.1, 0.2), "gamma": (0.3, 0.4)}, name="other")
    stored = stored_with("mine", card_with(0.5))
    assert [len(board_rows([stored], protocol)) for protocol in (tiny_protocol(), other)] == [1, 0]
    assert "No submissions yet." in markdown_of([stored], [other])


def test_reference_table_has_every_config() -> None:
    """The full data's accuracies are there with their spread, also before the first submission."""
    board = markdown_of([], [tiny_protocol()])
    assert _line(board, "Alpha net") == ["Alpha net", "80.5 ± 0.7"]
    assert _line(board, "Delta net") == ["Delta net", "20.5 ± 0.7"]


def test_noise_ceiling_is_stated() -> None:
    """Above the table stands what correlation the full data's own noise allows."""
    score = CorrelationScore(value=0.5, ceiling=0.964)
    card = card_with(0.5).model_copy(update={"spearman": score, "pearson": score})
    assert "Noise ceiling: ρs .964, ρp .964" in markdown_of([stored_with("mine", card)], [tiny_protocol()])


def test_spread_of_random_subsets() -> None:
    """How far luck alone carries is said from the complete random subsets, and from no others."""
    stored = [
        stored_with("a", card_with(0.2, pearson=0.1), policy="RS"),
        stored_with("b", card_with(0.6, pearson=0.5), policy="rs"),
        stored_with("c", card_with(0.9), policy="PD-Bottom"),
        stored_with("d", card_with(-0.9, complete=False), policy="RS"),
    ]
    board = markdown_of(stored, [tiny_protocol()])
    assert (
        "Random subsets (policy RS) of 3 classes, n = 2: ρs has mean .400 and runs from .200 to .600; "
        "ρp has mean .300 and runs from .100 to .500." in board
    )


def test_flags_tell_underfit_from_incomplete(tmp_path: Path) -> None:
    """A reader sees why a submission has no rank."""
    protocol = tiny_protocol()
    whole = submit(tmp_path, "whole")
    holes = submit(tmp_path, "holes", results=results_of(protocol)[1:])
    underfit = submit(
        tmp_path,
        "underfit",
        subset=OTHER_SUBSET,
        results=results_of(protocol, OTHER_SUBSET, train_accuracy=0.05),
    )
    rows = board_rows([whole, holes, underfit], protocol)
    assert {row.submission.metadata.name: (flags(row), row.rank is None) for row in rows} == {
        "whole": ([], False),
        "holes": (["incomplete"], True),
        "underfit": (["underfit"], True),
    }
    claimed = stored_with("odd", card_with(0.5, complete=False))
    assert flags(Row(protocol, claimed, None)) == ["incomplete"]
