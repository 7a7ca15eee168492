"""The kinds of figures by name: what each shows and what it needs."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.class_bubbles import class_bubbles
from dlth_bench.board.figures.consistency import step_consistency
from dlth_bench.board.figures.drawing import Material
from dlth_bench.board.figures.forest import correlation_forest
from dlth_bench.board.figures.frontier import size_and_length_frontier
from dlth_bench.board.figures.loss_curves import loss_curves
from dlth_bench.board.figures.pareto import cost_pareto
from dlth_bench.board.figures.radar import indicator_radar
from dlth_bench.board.figures.trends import accuracy_trends
from dlth_bench.scoring.decisions import steps_of
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted

FigureOption = Literal["configs", "cost"]


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Attributes:
        name: on the command line, and of the files where no other name is given.
        summary: what it shows.
        figure: draws it, in the settings of `drawing.write`.
        most: more submissions than this are a tangle, and must be asked for by name; None: any number.
        takes: the options that change it.
        needs_full_results: whether it is drawn from the full data's results, not from their means alone.
        shows_random: whether it draws the board's random subsets anyway, so that they need not be among the best.
    """

    name: str
    summary: str
    figure: Callable[[Material], Figure]
    most: int | None = 10
    takes: frozenset[FigureOption] = frozenset()
    needs_full_results: bool = False
    shows_random: bool = False

    def draw(self, material: Material, path_without_suffix: Path) -> list[Path]:
        """Write the figure as SVG and PNG and return both paths; the same material gives the same SVG.

        Raises:
            InputError: the protocol has no full-data reference, a row is of another protocol, or there is nothing to
                draw.
        """
        drawing.check_comparable(material)
        return drawing.write(lambda: self.figure(material), path_without_suffix)


def _step_consistency(material: Material) -> Figure:
    return step_consistency(material, steps_of(material.protocol.configs))


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


KINDS: tuple[Kind, ...] = (
    Kind("trends", "accuracy of each config, a line a subset", accuracy_trends),
    Kind(
        "classes",
        "full-data accuracy of each class under a few configs (the paper's Fig. 3)",
        class_bubbles,
        takes=frozenset({"configs"}),
        needs_full_results=True,
    ),
    Kind("consistency", "what one change of the recipe gains on each subset (Fig. 6)", _step_consistency, most=None),
    Kind("radar", "several indicators of a few subsets (Fig. 7)", indicator_radar, most=4, shows_random=True),
    Kind(
        "loss",
        "pretraining loss on full data, random and chosen subsets (Fig. 1)",
        loss_curves,
        takes=frozenset({"configs"}),
        needs_full_results=True,
    ),
    Kind("forest", "ρ of all submissions with intervals and noise ceiling", correlation_forest, most=None),
    Kind("pareto", "ρ against cost", cost_pareto, most=None, takes=frozenset({"cost"})),
    Kind("frontier", "ρ of random subsets of each size and length against cost", size_and_length_frontier, most=None),
)
"""All kinds, in the order of the help."""
