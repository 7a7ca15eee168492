"""A grid written short: ``sweep:`` in a protocol file, the configs that factors and their levels make of one base.

    sweep:
      base: {backbone: ..., method: ..., train: ...}      # a config without name and title
      factors:
        - {name: rate, field: train.optimizer.lr, levels: {slow: 0.05, fast: 0.2}}
        - {name: crop, field: method.augment, levels: {weak: {crop_scale: [0.8, 1]}, strong: {crop_scale: [0.4, 1]}}}
      fraction: 2^(2-0)    # or rows: [[slow, weak], [fast, strong]]; neither: every combination

A level's value is merged into the base at the factor's field as a file is into the one that it extends. Configs are
called by their levels, ``slow-weak``, and say them in ``factors``. They stand behind the file's own ``configs``, and a
protocol's digest is that of the expanded grid, however it was written.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from dlth_bench.datasets.dataset import Slug
from dlth_bench.util.model import Frozen, inconsistent
from dlth_bench.util.text import quoted

MAX_CONFIGS = 4096

GENERATORS: Mapping[tuple[int, int], tuple[str, ...]] = {
    (3, 1): ("AB",),
    (4, 1): ("ABC",),
    (5, 1): ("ABCD",),
    (5, 2): ("AB", "AC"),
    (6, 1): ("ABCDE",),
    (6, 2): ("ABC", "BCD"),
    (6, 3): ("AB", "AC", "BC"),
    (7, 1): ("ABCDEF",),
    (7, 2): ("ABCD", "ABDE"),
    (7, 3): ("ABC", "BCD", "ACD"),
    (7, 4): ("AB", "AC", "BC", "ABC"),
    (8, 2): ("ABCD", "ABEF"),
    (8, 3): ("ABC", "ABD", "BCDE"),
    (8, 4): ("BCD", "ACD", "ABC", "ABD"),
}
"""Generators of 2^(factors - p) designs of the highest resolution, by (factors, p): each of the last p factors has the
level that is the product of these earlier ones. Box, Hunter and Hunter, Statistics for Experimenters, table 12.15."""

Levels = tuple[str, ...]
"""One config of a sweep: the name of the level of each factor, in the order of the factors."""


class Factor(Frozen):
    """One thing that a sweep varies."""

    name: Slug
    field: str = Field(
        pattern=r"^[a-z_]+(\.[a-z_]+)*$", description="Path of the config's field, e.g. train.optimizer.lr."
    )
    levels: dict[Slug, Any] = Field(min_length=2, description="Value of the field by the level's name.")

    @field_validator("levels", mode="before")
    @classmethod
    def _named_by_text(cls, levels: Any) -> Any:
        wrong = [name for name in levels if not isinstance(name, str)] if isinstance(levels, dict) else []
        if wrong:  # YAML takes no, off and 1 for values
            raise ValueError(f"{wrong[0]} is not a name for a level; in quotes it would be")
        return levels


class Sweep(Frozen):
    """Configs that differ in the levels of factors."""

    base: dict[str, Any] = Field(description="What they share: a config without name and title.")
    factors: tuple[Factor, ...] = Field(min_length=1)
    fraction: str | None = Field(
        None, description="2^(k-p): of k factors with two levels each, that part of all combinations."
    )
    rows: tuple[Levels, ...] | None = Field(
        None, min_length=1, description="These alone: a level of each factor a config."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        names = [factor.name for factor in self.factors]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise inconsistent(f"two factors are called {twice}", "factors")
        self._check_effects()
        if self.rows is not None and self.fraction is not None:
            raise inconsistent("give fraction or rows, not both", "fraction")
        if self.fraction is None and self.rows is None:
            count = math.prod(len(factor.levels) for factor in self.factors)
            if count > MAX_CONFIGS:
                raise inconsistent(f"make {count} configs, more than {MAX_CONFIGS}", "factors")
        for index, row in enumerate(self.rows or ()):
            self._check_row(row, index)
        if self.fraction is not None:
            self._fraction_generators()
        return self

    def _check_effects(self) -> None:
        """Whether every level makes a config of its own: no later factor sets what an earlier one does."""
        setters: dict[str, str] = {}
        for index, factor in enumerate(self.factors):
            values = list(factor.levels.values())
            if any(one == other for one, other in itertools.combinations(values, 2)):
                raise inconsistent("has the same value twice", "factors", index, "levels")
            for path in sorted({path for value in values for path in _leaves(value, factor.field)}):
                other = next((setters[known] for known in setters if _overlap(known, path)), factor.name)
                if other != factor.name:
                    raise inconsistent(f"sets {path}, as the factor {other} does", "factors", index)
                setters[path] = factor.name

    def _check_row(self, row: Levels, index: int) -> None:
        if len(row) != len(self.factors):
            raise inconsistent(f"has {len(row)} levels for {len(self.factors)} factors", "rows", index)
        for level, factor in zip(row, self.factors, strict=True):
            if level not in factor.levels:
                known = ", ".join(factor.levels)
                raise inconsistent(f"{factor.name} has no level {quoted(level)}; it has {known}", "rows", index)

    def _fraction_generators(self) -> tuple[str, ...]:
        count = len(self.factors)
        found = re.fullmatch(r"2\^\((\d)-(\d)\)", self.fraction or "")
        known = [p for k, p in GENERATORS if k == count]
        if found is None or int(found[1]) != count or (int(found[2]) and int(found[2]) not in known):
            offered = ", ".join(f"2^({count}-{p})" for p in known) or "none"
            problem = f"{quoted(self.fraction or '')} is no fraction of {count} factors; there are {offered}"
            raise inconsistent(problem, "fraction")
        many = next((factor for factor in self.factors if len(factor.levels) != 2), None)
        if many is not None:
            problem = f"is of factors with two levels; {many.name} has {len(many.levels)}"
            raise inconsistent(problem, "fraction")
        return GENERATORS[count, int(found[2])] if int(found[2]) else ()

    def combinations(self) -> list[Levels]:
        """The levels of each config, the first factor changing slowest."""
        if self.rows is not None:
            return list(self.rows)
        levels = [tuple(factor.levels) for factor in self.factors]
        if self.fraction is None:
            return list(itertools.product(*levels))
        generators = self._fraction_generators()
        free = len(self.factors) - len(generators)
        signs = [
            (*row, *(_product(row, generator) for generator in generators))
            for row in itertools.product((-1, 1), repeat=free)
        ]
        return [tuple(pair[sign > 0] for pair, sign in zip(levels, row, strict=True)) for row in signs]

    def title(self, levels: Levels) -> str:
        """What tables call a config: ``rate fast, width 64``; the levels alone where that is too long."""
        told = ", ".join(f"{factor.name} {level}" for factor, level in zip(self.factors, levels, strict=True))
        return told if len(told) <= 80 else ", ".join(levels)


def _leaves(value: Any, path: str) -> list[str]:
    """The paths of the fields that a level sets."""
    if not isinstance(value, dict):
        return [path]
    return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}")]


def _overlap(one: str, other: str) -> bool:
    """Whether two paths are of one field, or one of a field within the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _product(signs: Sequence[int], generator: str) -> int:
    return math.prod(signs["ABCDEFGH".index(letter)] for letter in generator)
