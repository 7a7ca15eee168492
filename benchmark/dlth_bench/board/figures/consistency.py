"""Fig. 6 of the DLTH paper: does a change of one ingredient help on a subset as it does on the full data?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.scoring.decisions import Step
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.errors import InputError

Pair = tuple[float | None, float | None]
"""Mean accuracies (fractions) of a step's two configs; None where a config has none."""


def step_consistency(material: Material, steps: Sequence[Step]) -> Figure:
    """Each step as an arrow from the one config's accuracy to the other's, a row a subset below the full data's.

    Steps that go the other way than on the full data are dashed and crossed.

    Args:
        steps: one panel each.

    Raises:
        InputError: no step is given.
    """
    protocol, scorecards = material.protocol, material.scorecards
    if not steps:
        raise InputError(f"{protocol.key} has no two configs that differ in one thing")
    what = "what one change of the recipe gains, in points (\N{BALLOT X}: the full data go the other way)"
    width, height = 1.2 + 2.75 * len(steps), 1.7 + 0.3 * (len(scorecards) + 1)
    figure = drawing.new_figure(width, height, f"{protocol.key}: {what}")
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr,call-arg]
    panels = figure.subplots(1, len(steps), sharey=True, squeeze=False)[0]
    for axes, step in zip(panels, steps, strict=True):
        _panel(axes, protocol, scorecards, step)
    names = [drawing.FULL_DATA, *scorecards]
    panels[0].set_yticks(range(len(names)), names)
    panels[0].get_yticklabels()[0].set_fontweight("bold")
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    return figure


def _panel(axes: Axes, protocol: Protocol, scorecards: Mapping[str, Scorecard], step: Step) -> None:
    reference = protocol.reference.configs if protocol.reference else {}
    full = (reference[step.before].statistics[0], reference[step.after].statistics[0])
    rows: list[Pair] = [full, *(_means(card, step) for card in scorecards.values())]
    for row, pair in enumerate(rows):
        before, after = (None if value is None else protocol.metric.shown(value) for value in pair)
        _arrow(axes, row, before, after, agrees=_same_sign(pair, full))
    titles = protocol.config(step.before).title, protocol.config(step.after).title
    axes.set_title(f"{step.axis}\n○ {titles[0]}\n● {titles[1]}", loc="left", fontsize=7.5)
    axes.set_xlabel(drawing.metric_label(protocol.metric))
    axes.margins(x=0.08)
    axes.axhline(0.5, color="0.6", linewidth=0.6)
    drawing.light_grid(axes, "x")


def _means(card: Scorecard, step: Step) -> Pair:
    means = {score.config: score.mean for score in card.configs}
    return means.get(step.before), means.get(step.after)


def _same_sign(pair: Pair, full: Pair) -> bool:
    """Whether a step goes the full data's way; one that is unknown does not go another."""
    (before, after), (full_before, full_after) = pair, full
    if before is None or after is None or full_before is None or full_after is None:
        return True
    return (after - before) * (full_after - full_before) > 0


def _arrow(axes: Axes, row: int, before: float | None, after: float | None, *, agrees: bool) -> None:
    """The step's two ends, joined, and its size beside the axes; row 0 is the full data's."""
    colour = "black" if row == 0 else drawing.BLUE if agrees else drawing.VERMILLION
    told = "unknown"
    if before is not None and after is not None:
        axes.plot([before, after], [row, row], color=colour, linewidth=2, linestyle="-" if agrees else ":", zorder=2)
        told = f"{after - before:+.1f}".replace("-", "\N{MINUS SIGN}") + ("" if agrees else " \N{BALLOT X}")
    weight = "bold" if row == 0 else "normal"
    axes.text(1.02, row, told, transform=axes.get_yaxis_transform(), va="center", fontsize=8, fontweight=weight)
    for value, face in ((before, "white"), (after, colour)):
        if value is not None:
            axes.plot([value], [row], "o", color=colour, markerfacecolor=face, markersize=6, zorder=3)
