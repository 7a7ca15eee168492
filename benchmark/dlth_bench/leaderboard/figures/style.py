"""What all figures share: styles that stay apart in grey and for the colour-blind, and files of fixed bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.scorecard import Scorecard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    from matplotlib import rc_context

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
    from matplotlib.figure import Figure

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
