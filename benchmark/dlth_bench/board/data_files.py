"""The flat table as files: CSV for spreadsheets, JSON, and Parquet. The same records give the same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence

from dlth_bench.board.board import Board, Reported
from dlth_bench.board.columns import FIELDS, Cell
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.util.errors import InputError

Record = dict[str, Cell]

REPORTED = "reported"
"""Status of a row that a publication prints and that no results stand behind."""


def records(boards: Iterable[Board]) -> list[Record]:
    """One record a row, board by board from top to bottom, reported rows after the ranked ones."""
    found: list[Record] = []
    for board in boards:
        found += [{field.key: field.value(row) for field in FIELDS} for row in board.rows]
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


STEM = "leaderboard"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With these a spreadsheet takes a cell for a formula (OWASP, CSV injection)."""


def record_files(records: Sequence[Record]) -> dict[str, bytes]:
    """``leaderboard.csv``, ``.json`` and ``.parquet`` by file name.

    Raises:
        InputError: pyarrow is not installed.
    """
    return {
        f"{STEM}.parquet": parquet_bytes(records),
        f"{STEM}.csv": csv_bytes(records),
        f"{STEM}.json": json_bytes(records),
    }


def csv_bytes(records: Sequence[Record]) -> bytes:
    """UTF-8 with a heading; text is quoted, and what a spreadsheet would run has an apostrophe in front."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow([field.key for field in FIELDS])
    writer.writerows([_csv_cell(record[field.key]) for field in FIELDS] for record in records)
    return buffer.getvalue().encode()


def json_bytes(records: Sequence[Record]) -> bytes:
    """A list of objects with every column, unrounded; None is null."""
    return (json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parquet_bytes(records: Sequence[Record]) -> bytes:
    """One table with a description beside every column.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError("writing Parquet needs pyarrow: pip install 'dlth-bench[datasets]'") from None
    schema = pyarrow.schema(
        [pyarrow.field(field.key, field.kind, metadata={"description": field.meaning}) for field in FIELDS]
    )
    columns = [
        pyarrow.array([record[field.key] for record in records], schema.field(field.key).type) for field in FIELDS
    ]
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_arrays(columns, schema=schema), sink)
    return sink.getvalue()


def _csv_cell(value: Cell) -> Cell:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
