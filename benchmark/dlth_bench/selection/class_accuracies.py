"""Per-class accuracies from CSV or Parquet: one model, or a pool of models.

A class is written in a column ``class`` or ``wnid`` (any spelling that the dataset knows) or ``index`` (its 0-based
position). A table of one model has a column ``accuracy``, or ``correct`` and ``total``; further columns are left out
of account. Without those, every further column but ``name`` is a model. Accuracies are fractions, or percent when a
CSV file starts with a line ``# percent``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlth_bench.selection.table_file import Table, read_table
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

ClassAccuracies = dict[str, float]
"""Accuracy (a fraction) by class ID, in the dataset's order."""

_CLASS_COLUMNS = ("class", "wnid", "index")
_NO_MODEL = (*_CLASS_COLUMNS, "name")


def read_class_accuracies(path: Path, catalog: ClassCatalog, model: str | None = None) -> ClassAccuracies:
    """The accuracies of one model on every class of the catalog.

    Args:
        model: the column to take from a table of several models.

    Raises:
        InputError: as ``read_pool``; or several models and none named, or none of that name.
    """
    models = _read_models(path, catalog)
    if model is None:
        if len(models) > 1:
            raise InputError(f"has several models, name one with --model: {_listing(models)}", source=path)
        return next(iter(models.values()))
    if model not in models:
        raise InputError(f"has no model {quoted(model)}; there are {_listing(models)}", source=path)
    return models[model]


def read_pool(paths: Sequence[Path], catalog: ClassCatalog) -> dict[str, ClassAccuracies]:
    """The accuracies of all models in the files, by name: the column's, or the file's for a table of one model.

    Raises:
        InputError: with file and line: no column of classes or accuracies, an unknown or repeated class, a number
            that is missing, NaN or out of range, classes that are missing, or two models of one name.
    """
    pool: dict[str, ClassAccuracies] = {}
    for path in paths:
        for name, accuracies in _read_models(path, catalog).items():
            if name in pool:
                raise InputError(f"has a model {quoted(name)}, as another file has", source=path)
            pool[name] = accuracies
    return pool


def _read_models(path: Path, catalog: ClassCatalog) -> dict[str, ClassAccuracies]:
    table = read_table(path)
    class_columns = [column for column in _CLASS_COLUMNS if column in table.columns]
    models = _model_columns(table)
    if not class_columns or not models:
        expected = "a column class, wnid or index, and accuracy, or correct and total, or one column a model"
        raise table.error(f"needs {expected}", table.header_line)
    found: dict[str, ClassAccuracies] = {model: {} for model in models}
    lines: dict[str, str] = {}
    for number, (line, row) in enumerate(table.rows(), 1):
        place = f"row {number}" if line is None else f"line {line}"
        try:
            class_id = _class_id(row, class_columns, catalog)
            if class_id in lines:
                raise InputError(f"class {class_id} stands here and on {lines[class_id]}")
            for model, columns in models.items():
                found[model][class_id] = _accuracy([row[column] for column in columns], columns, table.percent)
        except InputError as error:
            raise table.error(error.message if line else f"{place}: {error.message}", line) from None
        lines[class_id] = place
    missing = [class_id for class_id in catalog.ids if class_id not in lines]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise table.error(f"{len(missing)} of {len(catalog)} classes of {catalog.dataset} are missing: {shown}")
    return {model: {item: values[item] for item in catalog.ids} for model, values in found.items()}


def _model_columns(table: Table) -> dict[str, tuple[str, ...]]:
    """The columns that hold each model's accuracy."""
    alone = table.path.stem
    if "accuracy" in table.columns:
        return {alone: ("accuracy",)}
    if {"correct", "total"} <= set(table.columns):
        return {alone: ("correct", "total")}
    return {column: (column,) for column in table.columns if column not in _NO_MODEL}


def _class_id(row: Mapping[str, str], columns: Sequence[str], catalog: ClassCatalog) -> str:
    """The class that the row is of; all its columns must name the same."""
    named = {column: _position(row[column], column, catalog) for column in columns}
    if len(set(named.values())) > 1:
        told = " and ".join(f"{column} {quoted(row[column])}" for column in columns)
        raise InputError(f"{told} are different classes")
    return catalog.ids[named[columns[0]]]


def _position(spelling: str, column: str, catalog: ClassCatalog) -> int:
    if column == "index":
        # Not through the catalog's spellings: '1' is a class of its own among Glyphs.
        if not re.fullmatch("[0-9]{1,9}", spelling) or int(spelling) >= len(catalog):
            raise InputError(f"index {quoted(spelling)} is not a whole number from 0 to {len(catalog) - 1}")
        return int(spelling)
    position = catalog.index(spelling)
    if position is None:
        shared = catalog.ambiguous(spelling)
        if shared:
            raise InputError(f"{quoted(spelling)} is ambiguous: write {' or '.join(shared)}")
        near = catalog.closest(spelling)
        hint = f"did you mean {quoted(near)}?" if near else f"write {catalog.id_hint}"
        raise InputError(f"{quoted(spelling)} is not a class of {catalog.dataset}; {hint}")
    return position


def _accuracy(cells: Sequence[str], columns: Sequence[str], percent: bool) -> float:
    numbers = [_number(cell, column) for cell, column in zip(cells, columns, strict=True)]
    if len(numbers) == 2:
        correct, total = numbers
        if not (correct.is_integer() and total.is_integer() and 0 <= correct <= total and total > 0):
            raise InputError(f"{cells[0]} correct of {cells[1]} is no count of right answers")
        return correct / total
    scale = 100.0 if percent else 1.0
    if not 0 <= numbers[0] <= scale:
        hint = "" if percent else "; for percent, start a CSV file with a line '# percent'"
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


def _listing(models: Mapping[str, ClassAccuracies]) -> str:
    return ", ".join(printable(name, 40) for name in list(models)[:12]) + (", ..." if len(models) > 12 else "")
