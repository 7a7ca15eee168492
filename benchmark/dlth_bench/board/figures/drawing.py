"""What all figures share: what they show, signs that stay apart in grey and for the colour-blind, and fixed bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from dlth_bench.board.row import Row
from dlth_bench.protocols.measurements import Metric
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Result
from dlth_bench.scoring.scorecard import CorrelationScore, Scorecard
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically

Resource = Literal["images", "flops", "device-time"]
"""What costs are counted in."""


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


BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
"""Okabe & Ito's colours, which the colour-blind tell apart; their yellow is too pale for a line on white."""

RANDOM = "0.55"
"""The grey of random subsets; black is the full data's."""

FULL_DATA = "full data"

# The three cycles have no common factor, so that 210 lines pass before a combination returns.
_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2, 1, 2, 1, 2)))

_RC: dict[Any, Any] = {
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.hashsalt": "dlth-bench",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the ``index``-th line: three signs, of which grey leaves two."""
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": _DASHES[index % len(_DASHES)],
    }


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure in inches that makes room for what lies around its axes; no display is needed."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10)
    return figure


def light_grid(axes: Axes, along: str) -> None:
    """Thin lines behind the data, across the axis ``x`` or ``y``."""
    axes.grid(axis=along, color="0.9", linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def metric_label(metric: Metric) -> str:
    """Of the axis of a metric, with its unit."""
    return f"{metric.title}, %" if metric.unit == "fraction" else metric.title


def interval_ends(score: CorrelationScore) -> tuple[float, float, float]:
    """Low end, value and high end of a correlation that is defined; the value stands for an end that is not known."""
    value = float("nan") if score.value is None else score.value
    return value if score.low is None else score.low, value, value if score.high is None else score.high


def write(draw: Callable[[], Figure], path_without_suffix: Path) -> list[Path]:
    """Draw a figure, write it as ``.svg`` and ``.png``, and return both paths.

    The same figure gives the same bytes, so that regenerating changes nothing. matplotlib's settings are ours
    meanwhile; those of the caller return afterwards.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    with rc_context(_RC):
        figure = draw()
        figure.savefig(svg, format="svg", metadata={"Date": None})
        figure.savefig(png, format="png", dpi=160)
    paths = []
    for suffix, buffer in ((".svg", svg), (".png", png)):
        path = path_without_suffix.with_name(path_without_suffix.name + suffix)
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths


def check_comparable(material: Material) -> None:
    """Raise InputError unless the protocol has a full-data reference and all scorecards are of the protocol."""
    protocol = material.protocol
    if protocol.reference is None:
        raise InputError(f"{protocol.key} has no full-data reference to compare with")
    for name, scorecard in material.scorecards.items():
        if scorecard.protocol_digest != protocol.digest:
            raise InputError(f"{name} is a score under {scorecard.protocol}, not under this {protocol.key}")


@dataclass(frozen=True)
class LineEnd:
    """The last point of a line, in data units, and what is written beside it in the line's own style."""

    x: float
    y: float
    text: str
    style: dict[str, Any] = field(default_factory=dict)
    bold: bool = False


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places at least ``gap`` apart, in the order of the wanted ones and as near to them as squares measure.

    This is isotonic regression of the places less the room that those below take.
    """
    order = np.argsort(wanted, kind="stable")
    room = gap * np.arange(len(wanted))
    places = np.empty(len(wanted))
    places[order] = isotonic_regression(np.asarray(wanted, dtype=np.float64)[order] - room).x + room
    return [float(place) for place in places]


def extent(axes: Axes) -> tuple[float, float]:
    """Width and height of the axes in inches; laid out, not drawn."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("the axes are in no figure")
    figure.draw_without_rendering()  # places the axes
    box = axes.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def label_line_ends(axes: Axes, ends: Sequence[LineEnd], *, size: float = 8, lines: int = 1) -> None:
    """Write each line's name to the right of the axes, behind a sample of the line and joined to its end.

    Args:
        size: of the text in points.
        lines: of text a label has at most.
    """
    axes.autoscale(False)  # what is drawn beside the axes must not move their limits
    x_low, x_high = axes.get_xlim()
    low, high = axes.get_ylim()
    places = spread([end.y for end in ends], 1.3 * size * lines / 72 / extent(axes)[1] * (high - low))
    across = axes.get_yaxis_transform()  # x in parts of the axes' width, y in data units
    for end, place in zip(ends, places, strict=True):
        start = (end.x - x_low) / (x_high - x_low)
        colour = end.style.get("color", "black")
        leader = {"color": colour, "linewidth": 0.6, "clip_on": False, "transform": across, "zorder": 1.5}
        axes.plot([start, 1.03], [end.y, place], **leader)
        sample: dict[str, Any] = {"linewidth": 1.3, "markersize": 5} | end.style
        axes.plot([1.03, 1.055, 1.08], [place] * 3, markevery=[1], clip_on=False, transform=across, **sample)
        axes.text(
            1.09,
            place,
            end.text,
            transform=across,
            va="center",
            fontsize=size,
            fontweight="bold" if end.bold else "normal",
        )
