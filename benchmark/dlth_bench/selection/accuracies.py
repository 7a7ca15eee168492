"""Per-class accuracies: from a table, from stored runs, or from the results behind a reference.

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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import read_stored_run
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import LINE_BREAK, read_text_file
from dlth_bench.util.tables import Table, check_columns, read_table
from dlth_bench.util.text import listed, printable, quoted

ClassAccuracies = dict[str, float]
"""Accuracy (a fraction) by class ID."""

Models = dict[str, ClassAccuracies]
"""By the model's name."""

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
        told = f"{len(missing)} of {len(catalog)} classes of {catalog.dataset}"
        raise table.error(f"{told} are missing: {listed(missing, 3)}")
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


_MAX_BYTES = 64 << 20
"""A result on 1000 classes has some 40 kB; a grid has dozens of them."""


def read_run_model(path: Path, catalog: ClassCatalog) -> Models:
    """The accuracies of a stored run as a pool of one, called by config and seed.

    Raises:
        InputError: it is no stored run, did not finish, was edited, or is of another dataset or not of all classes.
    """
    stored = read_stored_run(path)
    source, dataset = stored.result_path, stored.run.data.dataset
    if dataset != catalog.dataset:
        raise InputError(f"is of a run on {dataset}, not on {catalog.dataset}", source=source)
    accuracies = stored.class_accuracies()
    missing = [class_id for class_id in catalog.ids if class_id not in accuracies]
    if missing:
        told = f"is of a run on {len(accuracies)} of the {len(catalog)} classes of {dataset}"
        raise InputError(f"{told}; missing: {listed(missing, 3)}", source=source)
    return {stored.run.label: accuracies}


def read_reference_models(path: Path, catalog: ClassCatalog) -> Models:
    """The configs of ``<protocol>@<version>.jsonl``, results on all classes: the mean over seeds of each.

    The name tells the protocol, without which a result does not say which classes it is of.

    Raises:
        InputError: no such protocol, another dataset, or no finished result of it on all classes.
    """
    results = read_results(path)
    try:
        protocol = find_protocol(path.stem)
    except InputError as error:
        message = f"must be called by its protocol, such as glyphs-ssl@1.jsonl: {error.message}"
        raise InputError(message, source=path) from None
    if protocol.data.dataset != catalog.dataset:
        message = f"is of {protocol.key}, on {protocol.data.dataset} and not on {catalog.dataset}"
        raise InputError(message, source=path)
    found = {config.name: _means(protocol, config.name, results, catalog) for config in protocol.configs}
    models = {name: means for name, means in found.items() if means is not None}
    if not models:
        raise InputError(f"has no finished run of {protocol.key} on all {len(catalog)} classes", source=path)
    return models


def read_results(path: Path) -> list[Result]:
    """Results from a file with one JSON a line.

    Raises:
        InputError: no such file, or with its line, a line that is not a result.
    """
    results = []
    for number, line in enumerate(LINE_BREAK.split(read_text_file(path, _MAX_BYTES)), 1):
        if not line:
            continue
        try:
            results.append(Result.model_validate_json(line))
        except ValidationError as error:
            problem = printable(error.errors()[0]["msg"], 120)
            raise InputError(f"not a result: {problem}", source=path, line=number) from None
    return results


def mean_class_accuracies(
    protocol: Protocol, config: str, results: Iterable[Result], catalog: ClassCatalog
) -> ClassAccuracies:
    """Accuracy of each class by its ID, the mean over the config's seeds on all classes.

    Raises:
        InputError: the results hold no finished run of the config on all classes.
    """
    means = _means(protocol, config, results, catalog)
    if means is None:
        raise InputError(f"no finished run of '{config}' of {protocol.key} on all {len(catalog)} classes")
    return means


def _means(protocol: Protocol, config: str, results: Iterable[Result], catalog: ClassCatalog) -> ClassAccuracies | None:
    ids = tuple(sorted(catalog.ids))
    recipe = protocol.config(config)
    runs = (Run(data=protocol.data, config=recipe, class_ids=ids, seed=seed) for seed in protocol.seeds)
    wanted = {run.digest for run in runs}
    rows = [
        result.class_accuracy
        for result in results
        if result.run in wanted and result.status == "finished" and len(result.class_accuracy) == len(ids)
    ]
    if not rows:
        return None
    means = np.asarray(rows, dtype=np.float64).mean(axis=0)
    return {class_id: float(mean) for class_id, mean in zip(ids, means, strict=True)}


def read_class_accuracies(path: Path, catalog: ClassCatalog, model: str | None = None) -> ClassAccuracies:
    """The accuracies of one model on every class of the catalog.

    Args:
        model: which to take where there are several.

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


def read_pool(paths: Sequence[Path], catalog: ClassCatalog) -> Models:
    """The accuracies of all models in the files, by name.

    A model is called by its column, by its file where that is a table of one model, or ``<config> seed <seed>``
    where it is a stored run.

    Raises:
        InputError: as ``read_accuracy_table``, ``read_run_model`` or ``read_reference_models``; or two models of one
            name.
    """
    pool: Models = {}
    for path in paths:
        for name, accuracies in _read_models(path, catalog).items():
            if name in pool:
                raise InputError(f"has a model {quoted(name)}, as another file has", source=path)
            pool[name] = accuracies
    return pool


def named_models(pool: Mapping[str, ClassAccuracies], names: Sequence[str]) -> Models:
    """The models of a pool that have these names, in their order.

    Raises:
        InputError: the pool has none of a name.
    """
    for name in names:
        if name not in pool:
            raise InputError(f"the pool has no model {quoted(name)}; there are {_listing(pool)}")
    return {name: pool[name] for name in names}


def _read_models(path: Path, catalog: ClassCatalog) -> Models:
    """By name, each in the dataset's order."""
    if path.is_dir() or path.suffix.lower() == ".json":
        models = read_run_model(path, catalog)
    elif path.suffix.lower() == ".jsonl":
        models = read_reference_models(path, catalog)
    else:
        models = read_accuracy_table(path, catalog)
    return {name: {item: accuracies[item] for item in catalog.ids} for name, accuracies in models.items()}


def _listing(models: Mapping[str, ClassAccuracies]) -> str:
    return listed([printable(name, 40) for name in models], 12)
