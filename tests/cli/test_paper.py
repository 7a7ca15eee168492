"""``dlth-bench paper``: the paper's tables next to what follows from them."""

from __future__ import annotations

import json

import pytest
from command_line import refused, run


def test_all_tables_fit_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns no name and no number of the four tables is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    output = run("paper").output
    assert [line.split(" (")[0] for line in output.splitlines() if line.startswith("Table ")] == [
        "Table 2",
        "Table 3",
        "Table 4",
        "Table 13",
    ]
    assert max(map(len, output.splitlines())) <= 80
    assert "…" not in output
    for words in ("PD-Uniform 83.27 84.51", "Lottery Ticket-1 0.870", ".885 .756!  .943  .600!"):
        assert words in output


def test_json_says_by_how_much_and_why() -> None:
    """Programs get printed and recomputed values, the difference, and the cause where one is known."""
    document = json.loads(run("paper", "--table", 3, "--json").stdout)
    (table,) = document["tables"]
    row = next(row for row in table["rows"] if row["subset"] == "PD-Mid")
    assert row["spearman"]["difference"] == pytest.approx(0.6 - 0.943)
    assert row["spearman"]["follows"] is False
    assert row["exchanged"]["spearman"] == pytest.approx(0.943, abs=5e-4)
    assert "exchanged" in row["why"]
    assert table["full"]["kind"] == "fitted"


def test_unknown_table_is_refused() -> None:
    """A table that is not kept is an error that lists those that are."""
    assert "there are tables 2, 3, 4, 13" in refused("paper", "--table", 5).message
