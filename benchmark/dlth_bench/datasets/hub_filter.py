"""A subset of a dataset from the Hugging Face ``datasets`` library, as ``load_dataset`` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.subset import Subset


def filter_dataset(dataset: Any, subset: Subset, column: str = "label") -> Any:
    """The rows of a ``datasets.Dataset`` or ``IterableDataset`` whose class is in the subset.

    Args:
        subset: of classes.
        column: of labels: whole numbers, whose names the dataset's features give where they differ from the
            benchmark's order, or class IDs and names as text.

    Returns:
        A dataset of the same kind; labels keep their numbers.

    Raises:
        InputError: the subset is one of samples, there is no such column, or its label names are other classes.
    """
    if subset.unit != "class":
        raise InputError(f"the subset lists {subset.unit}s; rows can be filtered by classes only")
    features = getattr(dataset, "features", None) or {}
    if features and column not in features:
        raise InputError(f"the dataset has no column {quoted(column)}; it has {', '.join(map(str, features))}")
    catalog = class_catalog(subset.dataset)
    names = getattr(features.get(column), "names", None)
    positions = list(range(len(catalog))) if names is None else _positions_of(names, catalog)
    chosen = {catalog.index(class_id) for class_id in subset.ids}
    wanted = [label for label, position in enumerate(positions) if position in chosen]
    spellings = [spelling for info in catalog for spelling in (info.id, *info.aliases)]
    wanted_texts = [spelling for spelling in spellings if catalog.index(spelling) in chosen]
    # A plain function and lists, since the library pickles them to name its cache.
    known = {"wanted": [*wanted, *wanted_texts]}
    return dataset.filter(_are_wanted, batched=True, input_columns=[column], fn_kwargs=known)


def _are_wanted(labels: Sequence[int | str], wanted: Sequence[int | str]) -> list[bool]:
    members = set(wanted)
    return [label in members for label in labels]


def _positions_of(names: Sequence[str], catalog: ClassCatalog) -> list[int]:
    """The catalog's position of each label of a dataset with these label names.

    Names that two classes share (``crane``) are taken to stand at their own position when all others do.
    """
    known = [catalog.index(name) for name in names]
    in_order = all(position in (None, label) for label, position in enumerate(known))
    if in_order and len(names) == len(catalog) and any(position is not None for position in known):
        return list(range(len(names)))
    positions = [position for position in known if position is not None]
    if len(positions) < len(names):
        stranger = names[known.index(None)]
        raise InputError(f"label {quoted(stranger)} names no class of {catalog.dataset}")
    return positions
