"""Per-class accuracies from a table, CSV or Parquet: one model, or a column a model.

A class is written in a column ``class`` or ``wnid`` (any spelling that the dataset knows) or ``index`` (its 0-based
position); a row with several of them must name one class. A table of one model has a column ``accuracy``, or
``correct`` and ``total``; further columns are left out of account. Without those, every further column but ``name``
is a model. Capitals do not matter in these names, and ``synset`` is ``wnid``, ``class_index`` is ``index``.

Accuracies are fractions, or percent: where the column is called ``accuracy_percent``, where a CSV file starts with a
line ``# percent``, or where more than half of the numbers are above 1, which fractions cannot be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dlth_bench.selection.table_file import Table, check_columns, read_table
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

Models = dict[str, dict[str, float]]
"""Accuracy (a fraction) by model and class ID."""

_CLASS_COLUMNS = ("class", "wnid", "index")
_COUNTS = ("correct", "total")
_PERCENT = "accuracy_percent"
_NO_MODEL = (*_CLASS_COLUMNS, "name")
_SPELLINGS = {name: name for name in (*_NO_MODEL, *_COUNTS, "accuracy", _PERCENT)}
_SPELLINGS |= {"synset": "wnid", "class_index": "index", "class_idx": "index"}
_SPELLINGS |= {"accuracy_%": _PERCENT, "accuracy_(%)": _PERCENT}


def read_accuracy_table(path: Path, catalog: ClassCatalog) -> Models:
    """The models of a table: by column, or by the file's name where it is a table of one model.

    Raises:
        InputError: with file and line: no column of classes or accuracies, an unknown or repeated class, a number
            that is missing, NaN or out of range, or classes that are missing.
    """
    table = _with_known_names(read_table(path))
    class_columns = [column for column in _CLASS_COLUMNS if column in table.columns]
    columns = _model_columns(table)
    if not class_columns or not columns:
        expected = "a column class, wnid or index, and accuracy, or correct and total, or one column a model"
        raise table.error(f"needs {expected}", table.header_line)
    scale = _scale(table, [own[0] for own in columns.values() if own != _COUNTS])
    found: Models = {model: {} for model in columns}
    lines: dict[str, str] = {}
    for number, (line, row) in enumerate(table.rows(), 1):
        place = f"row {number}" if line is None else f"line {line}"
        try:
            class_id = _class_id(row, class_columns, catalog)
            if class_id in lines:
                raise InputError(f"class {class_id} stands here and on {lines[class_id]}")
            for model, own in columns.items():
                found[model][class_id] = _accuracy([row[column] for column in own], own, scale)
        except InputError as error:
            raise table.error(error.message if line else f"{place}: {error.message}", line) from None
        lines[class_id] = place
    missing = [class_id for class_id in catalog.ids if class_id not in lines]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise table.error(f"{len(missing)} of {len(catalog)} classes of {catalog.dataset} are missing: {shown}")
    return found


def _with_known_names(table: Table) -> Table:
    """The table with the columns that we know under their own names, whatever their capitals and spaces."""
    keys = ["_".join(column.casefold().split()) for column in table.columns]
    columns = tuple(_SPELLINGS.get(key, column) for key, column in zip(keys, table.columns, strict=True))
    check_columns(table.path, columns, table.header_line)
    return replace(table, columns=columns)


def _model_columns(table: Table) -> dict[str, tuple[str, ...]]:
    """The columns that hold each model's accuracy."""
    alone = table.path.stem
    for columns in (("accuracy",), (_PERCENT,), _COUNTS):
        if set(columns) <= set(table.columns):
            return {alone: columns}
    return {column: (column,) for column in table.columns if column not in _NO_MODEL}


def _scale(table: Table, columns: Sequence[str]) -> float:
    """What the numbers of these columns are to be divided by: 100 for percent."""
    if table.percent or _PERCENT in columns:
        return 100.0
    numbers = []
    for _, row in table.rows():
        for column in columns:
            try:
                numbers.append(float(row[column]))
            except ValueError:  # said later, with its line
                continue
    return 100.0 if 2 * sum(number > 1 for number in numbers) > len(numbers) else 1.0


def _class_id(row: Mapping[str, str], columns: Sequence[str], catalog: ClassCatalog) -> str:
    """The class that the row is of: the one that all its columns may mean."""
    meant = {column: _meant(row[column], column, catalog) for column in columns}
    common = set.intersection(*map(set, meant.values()))
    if len(common) == 1:
        return common.pop()
    if not common:
        told = " and ".join(f"{column} {quoted(row[column])}" for column in columns)
        raise InputError(f"{told} are different classes")
    raise InputError(f"{quoted(row[columns[0]])} is ambiguous: write {' or '.join(meant[columns[0]])}")


def _meant(spelling: str, column: str, catalog: ClassCatalog) -> tuple[str, ...]:
    """The classes that a cell may mean: one, or those that share a label."""
    if column == "index":
        # Not through the catalog's spellings: '1' is a class of its own among Glyphs.
        if not re.fullmatch(r"[0-9]{1,9}(\.0*)?", spelling) or int(float(spelling)) >= len(catalog):
            raise InputError(f"index {quoted(spelling)} is not a whole number from 0 to {len(catalog) - 1}")
        return (catalog.ids[int(float(spelling))],)
    position = catalog.index(spelling)
    if position is not None:
        return (catalog.ids[position],)
    shared = catalog.ambiguous(spelling)
    if shared:
        return shared
    near = catalog.closest(spelling)
    hint = f"did you mean {quoted(near)}?" if near else f"write {catalog.id_hint}"
    raise InputError(f"{quoted(spelling)} is not a class of {catalog.dataset}; {hint}")


def _accuracy(cells: Sequence[str], columns: Sequence[str], scale: float) -> float:
    numbers = [_number(cell, column) for cell, column in zip(cells, columns, strict=True)]
    if len(numbers) == 2:
        correct, total = numbers
        if not (correct.is_integer() and total.is_integer() and 0 <= correct <= total and total > 0):
            raise InputError(f"{cells[0]} correct of {cells[1]} is no count of right answers")
        return correct / total
    if not 0 <= numbers[0] <= scale:
        hint = "" if scale != 1 else f"; for percent, call the column {_PERCENT}"
        raise InputError(f"{columns[0]} {printable(cells[0], 30)} is not between 0 and {scale:g}{hint}")
    return numbers[0] / scale


def _number(cell: str, column: str) -> float:
    if not cell:
        raise InputError(f"{quoted(column)} is empty")
    try:
        value = float(cell)
    except ValueError:
        raise InputError(f"{quoted(column)}: {quoted(cell)} is not a number") from None
    if not math.isfinite(value):
        raise InputError(f"{quoted(column)} is {printable(cell, 30)}; every class needs an accuracy")
    return value
