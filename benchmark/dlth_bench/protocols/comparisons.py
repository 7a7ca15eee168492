"""Steps along the axes of a grid: pairs of configs that differ in one thing (paper, section 4.1).

They follow from the configs themselves, so that protocols that are frozen have them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from dlth_bench.protocols.protocol import Config

AXES = ("backbone", "budget", "evaluation", "augmentation", "pruning")
"""What a step may change; settings of the recipe outside these make one of their own only if nothing else differs."""

RECIPE = "recipe"


@dataclass(frozen=True)
class Step:
    """Two configs of one kind of method.

    Attributes:
        axis: what differs: one of `AXES`, several joined by " + ", or "recipe".
        before: the config that comes first in the protocol; on the axis of budgets, the one with the smaller budget.
        after: the other.
        also: paths of settings outside the axis that differ, too, e.g. ``method.temperature``.
    """

    axis: str
    before: str
    after: str
    also: tuple[str, ...] = ()


def family_of(config: Config, configs: Sequence[Config]) -> str:
    """The kind of method; of backbone where all configs share the method; empty where they share that, too."""
    if len({other.method.kind for other in configs}) > 1:
        return config.method.kind
    return config.backbone.kind if len({other.backbone.kind for other in configs}) > 1 else ""


def steps_of(configs: Sequence[Config]) -> tuple[Step, ...]:
    """The steps of a grid, in its order.

    Two configs of the same kind of method and of backbone make a step if they differ in one thing, an axis or the rest
    of the recipe, and no third one lies between them. Where this leaves configs of a kind unconnected, the pair that
    differs in the fewest things joins them: its axis names all that it changes, and other settings are named too.
    """
    compared = [_compared(one, other) for one, other in combinations(configs, 2) if _comparable(one, other)]
    single = [step for step in compared if _things(step) == 1]
    kept = [step for step in single if not _through_others(step, single)]
    group = {config.name: config.name for config in configs}
    for step in kept:
        _join(group, step)
    for step in sorted(compared, key=_things):
        if group[step.before] != group[step.after]:
            kept.append(step)
            _join(group, step)
    order = [config.name for config in configs]
    return tuple(sorted(kept, key=lambda step: (order.index(step.before), order.index(step.after))))


def _comparable(one: Config, other: Config) -> bool:
    return one.method.kind == other.method.kind and one.backbone.kind == other.backbone.kind


def _compared(one: Config, other: Config) -> Step:
    changed = [(path, _axis_of(path, one, other)) for path in _differences(_settings(one), _settings(other))]
    axes = [axis for axis in AXES if any(axis == found for _, found in changed)]
    also = tuple(".".join(path) for path, found in changed if found == RECIPE)
    before, after = (other, one) if axes == ["budget"] and _budget(other) < _budget(one) else (one, other)
    return Step(" + ".join(axes) or RECIPE, before.name, after.name, also)


def _things(step: Step) -> int:
    """How many things a step changes: its axes, and the rest of the recipe."""
    return 1 + step.axis.count(" + ") + bool(step.also and step.axis != RECIPE)


def _budget(config: Config) -> float:
    """Amount of training, in the unit that all configs of a protocol share."""
    return float(getattr(config.train.duration, config.train.duration.unit))


def _axis_of(path: tuple[str, ...], one: Config, other: Config) -> str:
    if path[0] in {"backbone", "pruning"}:
        return path[0]
    if path[:2] == ("train", "duration"):
        return "budget"
    if path[0] == "evaluation":
        kinds = {None if config.evaluation is None else config.evaluation.kind for config in (one, other)}
        return "evaluation" if len(kinds) > 1 else RECIPE
    if path[0] == "method" and len(path) > 1 and path[1] in {"augment", "global_views", "local_view"}:
        return "augmentation"
    return RECIPE


def _settings(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"name", "title", "notes"})


def _differences(one: Any, other: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the settings in which two nested values differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _differences(one.get(key), other.get(key), (*path, key))
    elif one != other:
        yield path


def _through_others(step: Step, steps: Sequence[Step]) -> bool:
    """Whether two smaller steps along the same axis lead from the one config to the other."""
    reached = {other.after for other in steps if other.before == step.before and other.axis == step.axis}
    return any(other.before in reached and other.after == step.after and other.axis == step.axis for other in steps)


def _join(group: dict[str, str], step: Step) -> None:
    old, new = group[step.after], group[step.before]
    for name, value in group.items():
        if value == old:
            group[name] = new
