"""Accuracy over the configs of a protocol: how alike the trends of subsets and full data are."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlth_bench.leaderboard.number_text import correlation
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.scorecard import Scorecard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, which the colour-blind tell apart; their yellow is too pale for a line on white, and black is
# the full data's. The three cycles have no common factor, so that 210 lines pass before a combination returns.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2, 1, 2, 1, 2)))

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.hashsalt": "dlth-bench",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def accuracy_trends(protocol: Protocol, scorecards: Mapping[str, Scorecard], path_without_suffix: Path) -> list[Path]:
    """Draw mean top-1 per config, one line a subset and a thick black one for the full data, as SVG and PNG.

    Error bars are standard deviations over seeds. The same input gives the same SVG.

    Args:
        scorecards: of the protocol, by the name shown in the legend; drawn in this order.
        path_without_suffix: ``.svg`` and ``.png`` are appended.

    Returns:
        The two files written.

    Raises:
        InputError: the protocol has no full-data reference, or a scorecard is of another protocol.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    if protocol.reference is None:
        raise InputError(f"{protocol.key} has no full-data reference to compare with")
    for name, scorecard in scorecards.items():
        if scorecard.protocol_digest != protocol.digest:
            raise InputError(f"{name} is a score under {scorecard.protocol}, not under this {protocol.key}")
    with rc_context(_STYLE):
        figure = Figure(figsize=(1.6 + 0.95 * len(protocol.configs) + 2.6, 4.6), layout="constrained")
        axes = figure.add_subplot()
        _draw_lines(axes, protocol, scorecards)
        _label(axes, protocol)
        _legend(figure, axes)
        return _saved(figure, path_without_suffix)


def _draw_lines(axes: Axes, protocol: Protocol, scorecards: Mapping[str, Scorecard]) -> None:
    names = [config.name for config in protocol.configs]
    lines = len(scorecards)
    for index, (name, scorecard) in enumerate(scorecards.items()):
        scores = {score.config: score for score in scorecard.configs}
        means = [scores[config].mean if config in scores else None for config in names]
        stds = [scores[config].std if config in scores else None for config in names]
        _draw(
            axes,
            means,
            stds,
            # Side by side, so that error bars of equal means do not hide each other.
            offset=0.0 if lines == 1 else 0.3 * (index / (lines - 1) - 0.5),
            label=f"{name}  ρs {correlation(scorecard.spearman.value)}",
            color=_COLOURS[index % len(_COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle=_DASHES[index % len(_DASHES)],
            linewidth=1.3,
            markersize=5,
            zorder=3,
        )
    reference = protocol.reference.configs if protocol.reference else {}
    statistics = [reference[config].statistics for config in names]
    full_means, full_stds = [mean for mean, _ in statistics], [std for _, std in statistics]
    _draw(
        axes, full_means, full_stds, label="full data", color="black", marker="o", linewidth=3, markersize=6, zorder=2
    )


def _draw(
    axes: Axes, means: Sequence[float | None], stds: Sequence[float | None], *, offset: float = 0.0, **style: Any
) -> None:
    """One line in percent; a config without a mean leaves a gap, one without a spread has no error bar."""
    heights = [float("nan") if mean is None else 100 * mean for mean in means]
    spreads = [0.0 if std is None else 100 * std for std in stds]
    positions = [index + offset for index in range(len(means))]
    axes.errorbar(positions, heights, yerr=spreads, capsize=2, elinewidth=1, **style)


def _label(axes: Axes, protocol: Protocol) -> None:
    titles = [config.title for config in protocol.configs]
    axes.set_xticks(range(len(titles)), titles, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_ylabel("top-1 accuracy, % (bars: std over seeds)")
    axes.set_title(f"{protocol.key}: {protocol.title}", loc="left")
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.06)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    # The full data first: it is what the others are read against.
    order = [-1, *range(len(handles) - 1)]
    figure.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="outside right upper",
        frameon=False,
        handlelength=4.5,  # long enough to show the dashes
    )


def _saved(figure: Figure, path_without_suffix: Path) -> list[Path]:
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", dpi=160)
    paths = []
    for suffix, buffer in ((".svg", svg), (".png", png)):
        path = path_without_suffix.with_name(path_without_suffix.name + suffix)
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths
