"""Accuracies from a CSV file: published tables, or runs done elsewhere.

Two layouts are understood. Long: columns ``config,accuracy``. Wide: one column a config. Both may
have columns ``seed`` and ``subset``. Of a protocol that ranks by another metric the numbers are that metric's, in its
unit; the column is called ``accuracy`` all the same. Accuracies are fractions, or percent when the header of the file
says so with a first line ``# percent``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from dlth_bench.scoring.scorecard import Cell
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.metric import Metric
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.text_file import read_text_file

Cells = dict[str, list[Cell]]
"""Runs by config name."""


def read_accuracy_table(path: Path, protocol: Protocol) -> dict[str, Cells]:
    """Runs by subset name and config, from a CSV file.

    Raises:
        InputError: with file and line: no such column, an unknown config, not a number, out of range, a repeated
            seed, or no rows.
    """
    text = read_text_file(path)
    rows = _rows(text, path)
    if len(rows) < 2:
        raise InputError("has no rows; expected a header line and at least one row of accuracies", source=path)
    (header_line, header), body = rows[0], rows[1:]
    configs = [config.name for config in protocol.configs]
    scale = 100.0 if _is_percent(text) else 1.0
    if scale != 1 and protocol.metric.unit != "fraction":
        raise InputError(f"says percent, but {protocol.metric.name} is in {protocol.metric.unit}", source=path, line=1)
    long = "config" in header and "accuracy" in header
    columns = [name for name in header if name in configs]
    if not long and not columns:
        raise InputError(
            f"needs columns config and accuracy, or one column a config ({', '.join(configs)})",
            source=path,
            line=header_line,
        )
    unknown = [name for name in header if name not in {"config", "accuracy", "seed", "subset", *configs}]
    if unknown:
        raise InputError(f"unknown column {quoted(unknown[0])}", source=path, line=header_line)
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise InputError(f"column {quoted(twice[0])} stands twice", source=path, line=header_line)
    tables: dict[str, Cells] = {}
    for line, fields in body:
        if len(fields) != len(header):
            raise InputError(f"has {len(fields)} fields, the header {len(header)}", source=path, line=line)
        row = dict(zip(header, fields, strict=True))
        cells = tables.setdefault(row.get("subset", ""), {name: [] for name in configs})
        for name, text in [(row["config"], row["accuracy"])] if long else [(name, row[name]) for name in columns]:
            if name not in cells:
                raise InputError(f"no config {quoted(name)}; there are {', '.join(configs)}", source=path, line=line)
            if text:
                _add(cells[name], row.get("seed", ""), _value(text, scale, protocol.metric, path, line), path, line)
    return tables


def _rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Line number and stripped fields of every line that is neither blank nor a comment."""
    numbered = ((number, line) for number, line in enumerate(text.splitlines(), 1))
    kept = [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]
    try:
        parsed = list(csv.reader([line for _, line in kept], strict=True))
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", source=path) from None
    fields = ([field.strip() for field in row] for row in parsed)
    return [(number, row) for (number, _), row in zip(kept, fields, strict=False)]


def _is_percent(text: str) -> bool:
    first = text.lstrip().partition("\n")[0]
    return first.startswith("#") and first.strip("# \r").lower() == "percent"


def _value(text: str, scale: float, metric: Metric, path: Path, line: int) -> float:
    try:
        value = float(text) / scale
    except ValueError:
        raise InputError(f"{quoted(text)} is not a number", source=path, line=line) from None
    if metric.holds(value):
        return value
    if metric.unit != "fraction":
        raise InputError(metric.problem(value), source=path, line=line)
    hint = "" if scale != 1 else "; for percent, start the file with a line '# percent'"
    raise InputError(f"{metric.name} {text} is not between 0 and {scale:g}{hint}", source=path, line=line)


def _add(cells: list[Cell], seed: str, accuracy: float, path: Path, line: int) -> None:
    if seed and not re.fullmatch(r"-?[0-9]{1,18}", seed):
        raise InputError(f"seed {quoted(seed)} is not a whole number", source=path, line=line)
    number = int(seed) if seed else len(cells)
    if any(cell.seed == number for cell in cells):
        raise InputError(f"seed {number} of this config stands twice", source=path, line=line)
    cells.append(Cell(seed=number, accuracy=accuracy))


def seeds_in(tables: Sequence[Cells]) -> list[int]:
    """The seeds that occur anywhere in the tables."""
    return sorted({cell.seed for cells in tables for runs in cells.values() for cell in runs})
