"""A board: the ranked rows of a protocol, and those that somebody reported and nobody verified.

No results stand behind them, so they have no rank, and they stand in a table of their own below the submissions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from dlth_bench.board.row import Row
from dlth_bench.paper.tables import PaperTable, check_rows, paper_tables, row_note
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.util.text import correlation, escaped, interval

MARK = "reported, not verified"

_INTRODUCTION = f"""\
**{MARK.capitalize()}.** These correlations are printed in a paper whose authors trained the same grid themselves; there
are no results to score or to retrain, so they have no rank. Brackets: 95 % interval over configs (Fisher)."""


@dataclass(frozen=True)
class Reported:
    """A subset with the correlations that a publication prints for it.

    Attributes:
        name: of the subset, as the publication calls it.
        source: where it is printed.
        classes: None where the publication does not say.
        pearson: ρp as printed.
        pearson_interval: its 95 % interval over configs.
        spearman: ρs as printed; None where it is not.
        note: what does not follow from the printed numbers; empty where nothing is known not to.
    """

    name: str
    source: str
    classes: int | None
    pearson: float
    pearson_interval: tuple[float, float]
    spearman: float | None
    note: str = ""

    def document(self, protocol: Protocol) -> dict[str, Any]:
        """The row for programs: the keys of the board's own rows where both have them, and no rank."""
        low, high = self.pearson_interval
        return {
            "protocol": protocol.key,
            "name": self.name,
            "rank": None,
            "classes": self.classes,
            "spearman": {"value": self.spearman, "low": None, "high": None},
            "pearson": {"value": self.pearson, "low": low, "high": high, "interval_over": "configs"},
            "flags": [MARK],
            "source": self.source,
            "note": self.note,
        }


def reported_rows(protocol: Protocol, tables: Sequence[PaperTable] | None = None) -> list[Reported]:
    """The reported rows of a protocol's board, the highest ρs first.

    Args:
        tables: where to look; None: those that come with the package. A table is of the protocol if it names it and
            has as many configs: a correlation over another grid is not comparable.
    """
    kept = paper_tables().tables if tables is None else tables
    own = [table for table in kept if table.protocol == protocol.name and len(table.configs) == len(protocol.configs)]
    rows = [
        Reported(
            name=checked.row.subset,
            source=f"DLTH paper, Table {table.number}",
            classes=checked.row.classes,
            pearson=checked.row.pearson,
            pearson_interval=checked.pearson_interval,
            spearman=checked.row.spearman,
            note=row_note(checked),
        )
        for table in own
        for checked in check_rows(table)
    ]
    return sorted(rows, key=lambda row: (-(-1.0 if row.spearman is None else row.spearman), -row.pearson, row.name))


def reported_markdown(rows: Sequence[Reported]) -> list[str]:
    """The paragraphs of the board that hold reported rows; none without rows."""
    if not rows:
        return []
    titles = ["Subset", "Classes", "ρs", "ρp [95 %]", "Source", "Note"]
    body = [
        [
            escaped(row.name),
            "–" if row.classes is None else str(row.classes),
            correlation(row.spearman),
            f"{correlation(row.pearson)} {interval(*row.pearson_interval)}",
            escaped(row.source),
            escaped(row.note),
        ]
        for row in rows
    ]
    alignment = ["left", "right", "right", "right", "left", "left"]
    return [_INTRODUCTION, tabulate(body, titles, tablefmt="pipe", colalign=alignment, disable_numparse=True)]


@dataclass(frozen=True)
class Board:
    """The submissions of one protocol version, ranked, and what was reported elsewhere on the same grid.

    Attributes:
        rows: from top to bottom.
        reported: rows that are reported and not verified; they have no rank.
        frozen: whether the protocol is locked, so that it cannot change any more.
    """

    protocol: Protocol
    rows: Sequence[Row]
    reported: Sequence[Reported] = ()
    frozen: bool = True

    @property
    def best(self) -> Row | None:
        """The row with the highest ρs of all cells; one without a rank only if none has one."""

        def place(row: Row) -> tuple[bool, float]:
            value = row.card.spearman.value
            return row.rank is not None, -2.0 if value is None else value

        return max(self.rows, key=place, default=None)
