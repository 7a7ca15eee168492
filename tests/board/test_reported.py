"""Reported rows: on the board of the same grid, marked, without a rank, and nowhere else."""

from __future__ import annotations

from board_examples import FULL, markdown_of, tiny_protocol

from dlth_bench.board.board import MARK, reported_rows
from dlth_bench.paper.tables import PaperTable, PrintedRow, TableConfig

CONFIGS = tuple(TableConfig(title=name, short=name) for name in FULL)
TABLE = PaperTable(
    number=99,
    title="four configs",
    place="nowhere",
    protocol="tiny",
    configs=CONFIGS,
    rows=(
        PrintedRow(subset="plain", classes=100, pearson=0.7, spearman=0.8),
        PrintedRow(subset="best|<b>", pearson=0.9, spearman=1.0),
        PrintedRow(subset="tied", pearson=0.6, spearman=0.95),
        PrintedRow(subset="unranked", pearson=0.95),
    ),
)


def test_rows_of_the_same_grid_only() -> None:
    """A table of another protocol, or over another number of configs, has no place on a board."""
    assert [row.name for row in reported_rows(tiny_protocol(), [TABLE])] == ["best|<b>", "tied", "plain", "unranked"]
    assert reported_rows(tiny_protocol(name="other"), [TABLE]) == []
    three = TABLE.model_copy(update={"configs": CONFIGS[:3]})
    assert reported_rows(tiny_protocol(), [three]) == []


def test_packaged_table_reaches_the_board_of_its_protocol() -> None:
    """A protocol of the paper's AG News grid gets Table 13's seven rows, with nothing to object to."""
    rows = reported_rows(tiny_protocol(name="agnews-text"))
    assert len(rows) == 7
    assert {row.source for row in rows} == {"DLTH paper, Table 13"}
    assert {row.note for row in rows} == {""}


def test_board_marks_them_and_gives_no_rank() -> None:
    """They stand below the submissions under a heading that says what they are; foreign text is escaped."""
    protocol = tiny_protocol()
    board = markdown_of([], [protocol], {protocol.key: reported_rows(protocol, [TABLE])})
    assert f"**{MARK.capitalize()}.**" in board
    assert board.index("No submissions yet.") < board.index(MARK.capitalize()) < board.index("Full data (")
    assert "best&#124;&#60;b&#62;" in board
    assert "ρs needs tied accuracies" in board
    assert markdown_of([], [protocol]).count("reported") == 0


def test_document_has_the_boards_keys() -> None:
    """Programs find the name and both correlations where submissions have them, and see the mark."""
    protocol = tiny_protocol()
    document = reported_rows(protocol, [TABLE])[0].document(protocol)
    assert document["rank"] is None
    assert document["flags"] == [MARK]
    assert document["spearman"]["value"] == 1.0
    assert document["pearson"]["low"] < 0.9 < document["pearson"]["high"]
