"""Per-class accuracies of one model, or of a pool: from tables, from runs of the store, from a protocol's reference.

What a path may be:

- a table, ``.csv`` or ``.parquet`` (``accuracy_table``);
- a stored run: its folder in the store, or the ``result.json`` in it (``stored_accuracies``);
- a protocol's results on all classes, ``<protocol>@<version>.jsonl``: each config is a model (``stored_accuracies``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dlth_bench.selection.accuracy_table import read_accuracy_table
from dlth_bench.selection.stored_accuracies import names_a_stored_run, read_reference_models, read_run_model
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

ClassAccuracies = dict[str, float]
"""Accuracy (a fraction) by class ID, in the dataset's order."""


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


def read_pool(paths: Sequence[Path], catalog: ClassCatalog) -> dict[str, ClassAccuracies]:
    """The accuracies of all models in the files, by name.

    A model is called by its column, by its file where that is a table of one model, or ``<config> seed <seed>``
    where it is a stored run.

    Raises:
        InputError: with file and line: no column of classes or accuracies, an unknown or repeated class, a number
            that is missing, NaN or out of range, classes that are missing, a run without accuracies per class, or
            two models of one name.
    """
    pool: dict[str, ClassAccuracies] = {}
    for path in paths:
        for name, accuracies in _read_models(path, catalog).items():
            if name in pool:
                raise InputError(f"has a model {quoted(name)}, as another file has", source=path)
            pool[name] = accuracies
    return pool


def named_models(pool: Mapping[str, ClassAccuracies], names: Sequence[str]) -> dict[str, ClassAccuracies]:
    """The models of a pool that have these names, in their order.

    Raises:
        InputError: the pool has none of a name.
    """
    for name in names:
        if name not in pool:
            raise InputError(f"the pool has no model {quoted(name)}; there are {_listing(pool)}")
    return {name: pool[name] for name in names}


def _read_models(path: Path, catalog: ClassCatalog) -> dict[str, ClassAccuracies]:
    """By name, each in the dataset's order."""
    if names_a_stored_run(path):
        models = read_run_model(path, catalog)
    elif path.suffix.lower() == ".jsonl":
        models = read_reference_models(path, catalog)
    else:
        models = read_accuracy_table(path, catalog)
    return {name: {item: accuracies[item] for item in catalog.ids} for name, accuracies in models.items()}


def _listing(models: Mapping[str, ClassAccuracies]) -> str:
    return ", ".join(printable(name, 40) for name in list(models)[:12]) + (", ..." if len(models) > 12 else "")
