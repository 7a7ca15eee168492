"""The board as one flat table: CSV, JSON and Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlth_bench.leaderboard.columns import Row, flags
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.scorecard import CorrelationScore

Table = list[dict[str, Any]]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet calculate a text."""

_FIELDS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "protocol": ("string", lambda row: row.submission.metadata.protocol),
    "name": ("string", lambda row: row.submission.metadata.name),
    "rank_first": ("int64", lambda row: row.rank and row.rank.first),
    "rank_last": ("int64", lambda row: row.rank and row.rank.last),
    "group": ("int64", lambda row: row.rank and row.rank.group),
    "policy": ("string", lambda row: row.submission.metadata.policy),
    "authors": ("string", lambda row: ", ".join(row.submission.metadata.authors)),
    "description": ("string", lambda row: row.submission.metadata.description),
    "url": ("string", lambda row: row.submission.metadata.url),
    "date": ("string", lambda row: row.submission.metadata.date.isoformat()),
    "dataset": ("string", lambda row: row.submission.metadata.dataset),
    "classes": ("int64", lambda row: row.submission.metadata.classes),
    "samples": ("int64", lambda row: row.submission.metadata.samples),
    **{
        f"{name}{suffix}": ("double", lambda row, name=name, part=part: getattr(_score(row, name), part))  # type: ignore[misc]
        for name in ("spearman", "pearson", "kendall")
        for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high"), ("_ceiling", "ceiling"))
    },
    "spearman_p_value": ("double", lambda row: row.submission.scorecard.spearman.p_value),
    "regret_points": ("double", lambda row: _of(row.submission.scorecard.decision, "regret", 100.0)),
    "pairs_agreed": ("int64", lambda row: _of(row.submission.scorecard.decision, "pairs_agreed")),
    "pairs_resolved": ("int64", lambda row: _of(row.submission.scorecard.decision, "pairs_resolved")),
    "images_saved": ("double", lambda row: _of(row.submission.scorecard.cost, "images_saved")),
    "device_seconds_saved": ("double", lambda row: _of(row.submission.scorecard.cost, "device_seconds_saved")),
    "random_percentile": ("double", lambda row: _of(row.random, "percentile")),
    "random_subsets": ("int64", lambda row: _of(row.random, "count")),
    "flags": ("string", lambda row: ", ".join(flags(row))),
    "protocol_digest": ("string", lambda row: row.submission.metadata.protocol_digest),
    "subset_digest": ("string", lambda row: row.submission.metadata.subset_digest),
}
"""Arrow type and value by the name of the column."""


def board_table(boards: Mapping[str, Sequence[Row]]) -> Table:
    """One record a submission, in the boards' order; None where a number is unknown."""
    return [{name: value(row) for name, (_, value) in _FIELDS.items()} for rows in boards.values() for row in rows]


def table_files(table: Table) -> dict[str, bytes]:
    """``leaderboard.csv``, ``.json`` and ``.parquet``; the same table gives the same bytes.

    Raises:
        InputError: pyarrow is not installed.
    """
    text = json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return {
        "leaderboard.csv": _csv(table),
        "leaderboard.json": text.encode(),
        "leaderboard.parquet": _parquet(table),
    }


def _csv(table: Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_FIELDS)
    writer.writerows([_inert(value) for value in record.values()] for record in table)
    return text.getvalue().encode()


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _parquet(table: Table) -> bytes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise InputError("leaderboard.parquet needs pyarrow: pip install 'dlth-bench[datasets]'") from None
    schema = pa.schema([(name, kind) for name, (kind, _) in _FIELDS.items()])
    target = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(table, schema=schema), target)
    return target.getvalue()


def _score(row: Row, name: str) -> CorrelationScore:
    score: CorrelationScore = getattr(row.submission.scorecard, name)
    return score


def _of(part: Any, name: str, factor: float | None = None) -> Any:
    value = None if part is None else getattr(part, name)
    return value if factor is None or value is None else factor * value
