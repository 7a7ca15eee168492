"""Names written beside what they name, moved apart where they would overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
