"""Choose a subset by a policy's name and options, as Python values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.selection.policy import (
    Algorithm,
    Asked,
    Criterion,
    Draw,
    NeverLearned,
    Option,
    Policy,
    Representative,
    Ties,
)
from dlth_bench.selection.registry import (
    build_request,
    build_sample_request,
    choose,
    find_class_policy,
    find_sample_policy,
    subset_file_text,
    subset_of,
    unit_of,
)
from dlth_bench.subsets.subset import Subset, SubsetUnit
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.text import quoted


@dataclass(frozen=True)
class Selection:
    """What a policy chose.

    text: the subset file, whose comment lines say how it was chosen.
    notes: what a reader should know, each one line.
    """

    subset: Subset
    text: str
    notes: tuple[str, ...]


def choose_subset(
    policy: str,
    options: Mapping[Option, Any],
    *,
    dataset: str = "glyphs",
    size: int | None = None,
    unit: SubsetUnit | None = None,
) -> Selection:
    """Choose classes or samples of a dataset.

    Args:
        options: those of the policy, in the types of the fields of `policy.Request` and `policy.SampleRequest`.
        size: how many classes, or samples in all; None: the policy's default.
        unit: what to choose; None: classes, if the policy can.

    Raises:
        InputError: no such policy or dataset, an option is missing or not one of the policy's, or an input is wrong.
    """
    if (unit or unit_of(policy)) == "class":
        by_class = find_class_policy(policy)
        return _selection(by_class, build_request(by_class, class_catalog(dataset), size, options))
    by_sample = find_sample_policy(policy)
    return _selection(by_sample, build_sample_request(by_sample, dataset, size, options))


def _selection(policy: Policy[Asked], request: Asked) -> Selection:
    choice = choose(policy, request)
    text = subset_file_text(policy, request, choice)
    return Selection(subset_of(policy, request, choice), text, tuple(choice.notes))


def select(
    policy: str,
    *,
    dataset: str = "glyphs",
    size: int | None = None,
    unit: SubsetUnit | None = None,
    output: str | Path | None = None,
    **options: Any,
) -> Subset:
    """Choose classes or samples of a dataset by a policy.

    Args:
        policy: as ``dlth-bench select --help`` lists them, e.g. ``rs``.
        size: how many classes, or samples in all; None: the policy's default.
        unit: ``class`` or ``sample``, of a policy that can choose either; None: classes.
        output: a file that gets the list, with comment lines that say how it was chosen.
        options: those of ``dlth-bench select`` that the policy takes, without dashes: ``seed=7``,
            ``accuracies=["dino.csv", "mae.csv"]``, ``never_learned="last"``.

    Raises:
        InputError: no such policy or dataset, an option is missing or not one of the policy's, or an input is wrong.
    """
    given = {name: _typed(name, value) for name, value in options.items() if value is not None}
    found = choose_subset(policy, given, dataset=dataset, size=size, unit=unit)  # type: ignore[arg-type]  # any name
    if output is not None:
        write_atomically(Path(output), found.text.encode())
    return found.subset


def _paths(value: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    return (Path(value),) if isinstance(value, str | Path) else tuple(Path(path) for path in value)


_TYPES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("accuracies", "correctness", "dynamics"), _paths),
    **dict.fromkeys(("tree", "embeddings", "search", "samples"), Path),
    "ties": Ties,
    "representative": Representative,
    "algorithm": Algorithm,
    "draw": Draw,
    "never_learned": NeverLearned,
    "criterion": Criterion,
}
"""How an option's value is made from what a user of Python writes."""


def _typed(name: str, value: Any) -> Any:
    kind = _TYPES.get(name)
    if isinstance(kind, type) and issubclass(kind, StrEnum) and value not in list(kind):
        raise InputError(f"{name}: {quoted(str(value))} is none of {', '.join(kind)}")
    return value if kind is None else kind(value)
