"""The kinds of figures by name: what each shows, what it needs, and how the board's data become its input."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlth_bench.board.figures.class_bubbles import class_bubbles
from dlth_bench.board.figures.consistency import step_consistency
from dlth_bench.board.figures.forest import correlation_forest
from dlth_bench.board.figures.loss_curves import loss_curves
from dlth_bench.board.figures.pareto import Resource, cost_pareto
from dlth_bench.board.figures.radar import indicator_radar
from dlth_bench.board.figures.trends import accuracy_trends
from dlth_bench.board.row import Row
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Result
from dlth_bench.scoring.decisions import steps_of
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.selection.accuracies import mean_class_accuracies
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted

FigureOption = Literal["configs", "cost"]

_RANDOM_POLICY = "rs"


@dataclass(frozen=True)
class Material:
    """What a figure can be drawn from.

    Attributes:
        protocol: of all the rest.
        rows: the submissions to draw, from the top of the board to its bottom.
        random: the board's random subsets, drawn or not.
        full: results on the full data under the protocol's config names; empty unless the kind needs them.
        configs: only these, by name; None: what suits the kind.
        cost: what costs are counted in.
    """

    protocol: Protocol
    rows: Sequence[Row]
    random: Sequence[Row] = ()
    full: Sequence[Result] = ()
    configs: Sequence[str] | None = None
    cost: Resource = "images"

    @property
    def scorecards(self) -> dict[str, Scorecard]:
        return {row.submission.metadata.name: row.submission.scorecard for row in self.rows}

    @property
    def random_names(self) -> frozenset[str]:
        return frozenset(row.submission.metadata.name for row in self.random)


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Attributes:
        name: on the command line, and of the files where no other name is given.
        summary: what it shows.
        draw: writes SVG and PNG to a path without suffix and returns both.
        most: more submissions than this are a tangle, and must be asked for by name; None: any number.
        takes: the options that change it.
        needs_full_results: whether it is drawn from the full data's results, not from their means alone.
        shows_random: whether it draws the board's random subsets anyway, so that they need not be among the best.
    """

    name: str
    summary: str
    draw: Callable[[Material, Path], list[Path]]
    most: int | None = 10
    takes: frozenset[FigureOption] = frozenset()
    needs_full_results: bool = False
    shows_random: bool = False


def is_random(row: Row) -> bool:
    """Whether a submission says that it is a random subset."""
    return row.submission.metadata.policy.casefold() == _RANDOM_POLICY


def find_kind(name: str) -> Kind:
    """The kind of a name.

    Raises:
        InputError: there is none.
    """
    known = {kind.name: kind for kind in KINDS}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {quoted(near[0])}?" if near else ""
    raise InputError(f"no kind of figure {quoted(name)}; there are {', '.join(known)}{guess}")


def _trends(material: Material, path: Path) -> list[Path]:
    return accuracy_trends(material.protocol, material.scorecards, path)


def _classes(material: Material, path: Path) -> list[Path]:
    configs = material.configs or _spanning_configs(material.protocol)
    protocol, catalog = material.protocol, class_catalog(material.protocol.data.dataset)
    accuracies = {name: mean_class_accuracies(protocol, name, material.full, catalog) for name in configs}
    subsets = {row.submission.metadata.name: row.submission.subset.ids for row in material.rows}
    return class_bubbles(material.protocol, accuracies, subsets, path)


def _spanning_configs(protocol: Protocol) -> list[str]:
    """The full data's best, median and worst config: enough to see an order, few enough to tell apart."""
    entries = {} if protocol.reference is None else protocol.reference.configs
    ranked = sorted(entries, key=lambda name: (-entries[name].statistics[0], name))
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]] if ranked else []


def _consistency(material: Material, path: Path) -> list[Path]:
    return step_consistency(material.protocol, material.scorecards, steps_of(material.protocol.configs), path)


def _radar(material: Material, path: Path) -> list[Path]:
    # Luck depends on the size, and an incomplete grid has no score to average.
    sizes = {row.submission.metadata.classes for row in material.rows}
    ranked = [row.submission for row in material.random if row.rank is not None]
    random = [stored.scorecard for stored in ranked if stored.metadata.classes in sizes]
    return indicator_radar(material.protocol, material.scorecards, random, path)


def _loss(material: Material, path: Path) -> list[Path]:
    results = {row.submission.metadata.name: row.submission.results for row in material.rows}
    return loss_curves(material.protocol, material.full, results, material.random_names, path, material.configs)


def _forest(material: Material, path: Path) -> list[Path]:
    return correlation_forest(material.protocol, material.rows, material.random_names, path)


def _pareto(material: Material, path: Path) -> list[Path]:
    return cost_pareto(material.protocol, material.scorecards, material.random_names, path, material.cost)


KINDS: tuple[Kind, ...] = (
    Kind("trends", "accuracy of each config, a line a subset", _trends),
    Kind(
        "classes",
        "full-data accuracy of each class under a few configs (the paper's Fig. 3)",
        _classes,
        takes=frozenset({"configs"}),
        needs_full_results=True,
    ),
    Kind("consistency", "what one change of the recipe gains on each subset (Fig. 6)", _consistency, most=None),
    Kind("radar", "several indicators of a few subsets (Fig. 7)", _radar, most=4, shows_random=True),
    Kind(
        "loss",
        "pretraining loss on full data, random and chosen subsets (Fig. 1)",
        _loss,
        takes=frozenset({"configs"}),
        needs_full_results=True,
    ),
    Kind("forest", "ρ of all submissions with intervals and noise ceiling", _forest, most=None),
    Kind("pareto", "ρ against cost", _pareto, most=None, takes=frozenset({"cost"})),
)
"""All kinds, in the order of the help."""
