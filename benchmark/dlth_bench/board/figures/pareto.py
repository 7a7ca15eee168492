"""ρ against what the runs cost: which subsets give most for their price, and what random ones give for the same."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material, Resource
from dlth_bench.board.rank import rankable
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import correlation

_RESOURCES: dict[Resource, tuple[str, str]] = {
    "images": ("images_saved", "images seen"),
    "flops": ("flops_saved", "FLOPs"),
    "device-time": ("device_seconds_saved", "device time"),
}


@dataclass(frozen=True)
class Point:
    """A subset in the plane of cost and ρs.

    Attributes:
        cost: percent of what the full data's runs take.
        low, high: the 95 % interval of ``value`` over seeds; the value itself where it has none.
    """

    name: str
    cost: float
    value: float
    low: float
    high: float
    random: bool


def cost_pareto(material: Material) -> Figure:
    """ρs against cost and the line of those that no cheaper subset reaches.

    Incomplete submissions and those without a cost are left out. Random subsets are hollow grey squares, with mean and
    range for each cost.

    Raises:
        InputError: no submission is left.
    """
    protocol, scorecards = material.protocol, material.scorecards
    attribute, label = _RESOURCES[material.cost]
    points = _points(scorecards, attribute, material.random_names)
    if not points:
        raise InputError(f"no submission of {protocol.key} has both a complete grid and a known saving of {label}")
    title = f"{protocol.key}: rank correlation with the full data against cost"
    figure = drawing.new_figure(max(7.4, 2 + 0.2 * len(points)), 4.4 + _name_inches(points), title)
    axes = figure.add_subplot()
    _frame(axes, points, label)
    for _ in range(3):  # the wider the axis gets, the less it takes to keep names apart
        places = _places(axes, points)
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, min(places) / 1.1), max(right, max(places) * 1.1))
    _marks(axes, points, places)
    _front(axes, points, places)
    _random_means(axes, points, places)
    _ceiling(axes, scorecards)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, handlelength=3, fontsize=8)
    return figure


def pareto_front(points: Iterable[Point]) -> list[Point]:
    """By rising cost, the points whose ρs no point reaches for as little; of equal ones the first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.value)):
        if not front or point.value > front[-1].value:
            front.append(point)
    return front


def _points(scorecards: Mapping[str, Scorecard], attribute: str, random: frozenset[str]) -> list[Point]:
    found = []
    for name, card in scorecards.items():
        saved = None if card.cost is None else getattr(card.cost, attribute)
        if saved is not None and rankable(card):
            low, value, high = drawing.interval_ends(card.spearman)
            found.append(Point(name, 100 * (1 - saved), value, low, high, name in random))
    return found


def _frame(axes: Axes, points: Sequence[Point], label: str) -> None:
    costs = [point.cost for point in points]
    axes.set_xscale("log")
    axes.set_xlim(min(costs) / 1.4, max(costs) * 1.4)
    low, high = min(point.low for point in points), max(point.high for point in points)
    top = max(1.02, high + 0.05)
    axes.set_ylim(low - (top - low) * (_name_inches(points) + 0.3) / 2.6, top)  # names stand below the bars
    axes.set_xlabel(f"cost, % of the full data's {label} (log scale)")
    axes.set_ylabel("Spearman ρs (bars: 95 % interval over seeds)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}")
    axes.tick_params(axis="x", which="minor", labelsize=8)
    drawing.light_grid(axes, "y")


def _name_inches(points: Sequence[Point]) -> float:
    """The room that the longest name takes, written upright: about .07 inches a character."""
    return 0.07 * max(len(point.name) for point in points)


def _places(axes: Axes, points: Sequence[Point]) -> list[float]:
    """Where each mark stands: its cost, moved as far as its name needs room; equal costs by falling ρs."""
    low, high = (math.log(limit) for limit in axes.get_xlim())
    gap = 12 / 72 / drawing.extent(axes)[0] * (high - low)
    order = sorted(range(len(points)), key=lambda index: (points[index].cost, -points[index].value))
    logs = drawing.spread([math.log(points[index].cost) for index in order], gap)
    places = [0.0] * len(points)
    for index, place in zip(order, logs, strict=True):
        places[index] = math.exp(place)
    return places


def _marks(axes: Axes, points: Sequence[Point], places: Sequence[float]) -> None:
    labelled: set[bool] = set()
    for point, place in zip(points, places, strict=True):
        colour = drawing.RANDOM if point.random else drawing.BLUE
        axes.plot([place] * 2, [point.low, point.high], color=colour, linewidth=1.2, zorder=2)
        axes.plot(
            [place],
            [point.value],
            linestyle="none",
            marker="s" if point.random else "o",
            markersize=6,
            color=colour,
            markerfacecolor="white" if point.random else colour,
            zorder=4,
            label=None if point.random in labelled else "random subset" if point.random else "subset by a policy",
        )
        labelled.add(point.random)
        # From the true cost on the axis to where the mark stands.
        across = axes.get_xaxis_transform()
        axes.plot([point.cost, place, place], [0, 0.04, 0.06], color="0.6", linewidth=0.6, transform=across, zorder=1)
        axes.annotate(
            point.name,
            (place, point.low),
            (0, -4),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="top",
            fontsize=7.5,
        )


def _front(axes: Axes, points: Sequence[Point], places: Sequence[float]) -> None:
    place = dict(zip((point.name for point in points), places, strict=True))
    front = pareto_front(points)
    costs = [place[point.name] for point in front] + [axes.get_xlim()[1]]
    heights = [point.value for point in front] + [front[-1].value]
    axes.step(costs, heights, where="post", color="black", linewidth=1, zorder=3, label="best for at most this cost")


def _random_means(axes: Axes, points: Sequence[Point], places: Sequence[float]) -> None:
    """The mean of random subsets at each cost, costs within a tenth of each other counting as one."""
    groups: list[list[tuple[Point, float]]] = []
    for point, place in sorted(zip(points, places, strict=True), key=lambda pair: pair[0].cost):
        if not point.random:
            continue
        if groups and point.cost <= 1.1 * groups[-1][0][0].cost:
            groups[-1].append((point, place))
        else:
            groups.append([(point, place)])
    costs = [end for group in groups for end in (min(x for _, x in group), max(x for _, x in group))]
    means = [fmean(point.value for point, _ in group) for group in groups for _ in range(2)]
    if costs:
        style: dict[str, Any] = {"color": "0.35", "linewidth": 2, "linestyle": (0, (1, 1.2)), "zorder": 1}
        axes.plot(costs, means, label="mean of random subsets at this cost", **style)


def _ceiling(axes: Axes, scorecards: Mapping[str, Scorecard]) -> None:
    known = [card.spearman.ceiling for card in scorecards.values() if card.spearman.ceiling is not None]
    if known:
        height = fmean(known)
        style: dict[str, Any] = {"color": "black", "linewidth": 1.2, "linestyle": (0, (4, 2)), "zorder": 1}
        axes.axhline(height, label=f"noise ceiling {correlation(height)}", **style)
