"""The table as Parquet, CSV and JSON: the same rows and columns in each, typed, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace

import pytest
from board_examples import card_with, stored_with, tiny_protocol

from dlth_bench.board.board import Board, Reported
from dlth_bench.board.columns import FIELDS
from dlth_bench.board.data_files import Record, csv_bytes, record_files, records
from dlth_bench.board.markdown import board_rows
from dlth_bench.util.errors import InputError

FORMULA = '=HYPERLINK("https://evil.example","click")'


@pytest.fixture
def table() -> list[Record]:
    mine = stored_with("mine", card_with(-0.5, -0.75, 0.25))
    formulas = {"policy": "-1+1", "description": FORMULA, "authors": ("@SUM(A1)",)}  # which a submission may not hold
    stored = [
        replace(mine, metadata=mine.metadata.model_copy(update=formulas)),
        stored_with("other", card_with(None), policy="RS"),
    ]
    paper = Reported("ERC", "A paper", None, 0.9, (0.5, 0.99), 0.8, note="+1")
    protocol = tiny_protocol()
    return records([Board(protocol, board_rows(stored, protocol), [paper])])


def test_three_formats_hold_the_same(table: list[Record]) -> None:
    """A reader of any format sees the same rows, columns and unrounded numbers; the unknown is empty, not 0."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install -e '.[datasets]'")
    files = record_files(table)
    assert json.loads(files["leaderboard.json"]) == table
    read = parquet.read_table(io.BytesIO(files["leaderboard.parquet"]))
    assert read.to_pylist() == table
    assert read.column_names == [field.key for field in FIELDS]
    assert all(column.metadata[b"description"] for column in read.schema)
    lines = list(csv.DictReader(io.StringIO(files["leaderboard.csv"].decode())))
    assert [line["name"] for line in lines] == ["mine", "other", "ERC"]
    assert [line["spearman"] for line in lines] == ["-0.5", "", "0.8"]


def test_status_tells_what_stands_behind_a_row(table: list[Record]) -> None:
    """A number from a paper cannot be taken for one that results stand behind, nor has it a rank."""
    assert [row["status"] for row in table] == ["self-reported", "self-reported", "reported"]
    assert [row["rank_first"] for row in table] == [1, None, None]


def test_csv_runs_no_formula(table: list[Record]) -> None:
    """No text starts as a formula does; negative numbers stay numbers."""
    lines = list(csv.reader(io.StringIO(csv_bytes(table).decode())))
    cells = dict(zip(lines[0], lines[1], strict=True))
    assert cells["description"] == f"'{FORMULA}"
    assert (cells["policy"], cells["authors"]) == ("'-1+1", "'@SUM(A1)")
    numbers = {field.key for field in FIELDS if field.kind != "string"}
    for line in lines[1:]:
        for key, cell in zip(lines[0], line, strict=True):
            assert key in numbers or not cell.startswith(("=", "+", "-", "@")), (key, cell)


def test_same_records_give_the_same_bytes(table: list[Record]) -> None:
    """Publishing twice changes nothing."""
    pytest.importorskip("pyarrow", reason="pip install -e '.[datasets]'")
    assert record_files(table) == record_files(list(table))


def test_without_pyarrow(table: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'dlth-bench\[datasets\]'"):
        record_files(table)
