"""What all figures share: styles that stay apart in grey and for the colour-blind, and files of fixed bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically

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


@contextmanager
def figure_style() -> Iterator[None]:
    """matplotlib's settings while a figure is made and saved; those of the caller return afterwards."""
    with rc_context(_RC):
        yield


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the ``index``-th line: three signs, of which grey leaves two."""
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": _DASHES[index % len(_DASHES)],
    }


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that makes room for what lies around its axes; no display is needed."""
    return Figure(figsize=(width, height), layout="constrained")


def title(figure: Figure, protocol: Protocol, what: str) -> None:
    """Of which protocol a figure is, and what it shows."""
    figure.suptitle(f"{protocol.key}: {what}", x=0.01, ha="left", fontweight="bold", fontsize=10)


def light_grid(axes: Axes, along: str) -> None:
    """Thin lines behind the data, across the axis ``x`` or ``y``."""
    axes.grid(axis=along, color="0.9", linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def save(figure: Figure, path_without_suffix: Path) -> list[Path]:
    """Write ``.svg`` and ``.png``; the same figure gives the same bytes, so that regenerating changes nothing."""
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", dpi=160)
    paths = []
    for suffix, buffer in ((".svg", svg), (".png", png)):
        path = path_without_suffix.with_name(path_without_suffix.name + suffix)
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths


def check_comparable(protocol: Protocol, scorecards: Mapping[str, Scorecard]) -> None:
    """Raise InputError unless the protocol has a full-data reference and all scorecards are of the protocol."""
    if protocol.reference is None:
        raise InputError(f"{protocol.key} has no full-data reference to compare with")
    for name, scorecard in scorecards.items():
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

    This is isotonic regression of the places less the room that those below take (pool adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    blocks: list[tuple[float, int]] = []  # sum and count of each run of labels that touch
    for rank, index in enumerate(order):
        total, count = wanted[index] - rank * gap, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            before, members = blocks.pop()
            total, count = total + before, count + members
        blocks.append((total, count))
    bases = [total / count for total, count in blocks for _ in range(count)]
    places = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        places[index] = bases[rank] + rank * gap
    return places


def text_height(axes: Axes, points: float) -> float:
    """A height in points as data units of the y axis, whose limits must be final; laid out, not drawn."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("the axes are in no figure")
    figure.draw_without_rendering()  # places the axes, so that their height is known
    low, high = axes.get_ylim()
    return points / 72 * figure.dpi / axes.get_window_extent().height * (high - low)


def label_line_ends(axes: Axes, ends: Sequence[LineEnd], *, size: float = 8, lines: int = 1) -> None:
    """Write each line's name to the right of the axes, behind a sample of the line and joined to its end.

    Args:
        size: of the text in points.
        lines: of text a label has at most.
    """
    axes.autoscale(False)  # what is drawn beside the axes must not move their limits
    x_low, x_high = axes.get_xlim()
    places = spread([end.y for end in ends], text_height(axes, 1.3 * size * lines))
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
