"""The board as one flat table for programs: a record a row, the same columns for every protocol."""

from __future__ import annotations

from collections.abc import Iterable

from dlth_bench.leaderboard.board import Board
from dlth_bench.leaderboard.record_fields import FIELDS, Cell
from dlth_bench.leaderboard.reported import Reported
from dlth_bench.spec.protocol import Protocol

Record = dict[str, Cell]

REPORTED = "reported"
"""Status of a row that a publication prints and that no results stand behind."""


def records(boards: Iterable[Board]) -> list[Record]:
    """One record a row, board by board from top to bottom, reported rows after the ranked ones."""
    found: list[Record] = []
    for board in boards:
        found += [{field.key: field.value(board.protocol, row) for field in FIELDS} for row in board.rows]
        found += [_reported(board.protocol, row) for row in board.reported]
    return found


def _reported(protocol: Protocol, row: Reported) -> Record:
    """What is known of a row that no results stand behind; its interval is over configs (Fisher)."""
    low, high = row.pearson_interval
    known: Record = {
        "protocol": protocol.key,
        "protocol_digest": protocol.digest,
        "dataset": protocol.data.dataset,
        "name": row.name,
        "status": REPORTED,
        "classes": row.classes,
        "configs": len(protocol.configs),
        "spearman": row.spearman,
        "pearson": row.pearson,
        "pearson_configs_low": low,
        "pearson_configs_high": high,
        "source": row.source,
        "note": row.note,
    }
    return {field.key: known.get(field.key) for field in FIELDS}
