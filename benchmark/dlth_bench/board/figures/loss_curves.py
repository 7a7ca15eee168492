"""Fig. 1 of the DLTH paper: pretraining loss on the full data, on random subsets and on chosen ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.runs.run import Result
from dlth_bench.util.errors import InputError

_COLUMNS = 3
_POINTS = 101
"""Places between start and end of training at which the seeds' curves are averaged."""

_Array = npt.NDArray[np.float64]


def loss_curves(material: Material) -> Figure:
    """The mean pretraining loss over seeds, one panel a pretraining.

    Configs that differ in their evaluation only share a panel. The band around the full data's curve is its range
    over seeds; random subsets are grey and named together.

    Raises:
        InputError: no full-data result of the configs has a curve.
    """
    protocol = material.protocol
    panels = [group for group in _pretrainings(protocol, material.configs) if _curves(material.full, group)]
    if not panels:
        raise InputError(f"no full-data result of {protocol.key} has a loss curve of these configs")
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    title = f"{protocol.key}: pretraining loss, mean over seeds (band: the full data's range)"
    figure = drawing.new_figure(3.1 * columns + 1.9, 0.6 + 2.5 * rows, title)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, group in zip(grid, panels, strict=False):
        _panel(axes, group, material)
    for axes in grid[len(panels) :]:
        axes.axis("off")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, handlelength=4.5)
    return figure


def _pretrainings(protocol: Protocol, configs: Sequence[str] | None) -> list[list[Config]]:
    """The configs in groups of equal pretraining: all of the recipe but the evaluation."""
    groups: dict[str, list[Config]] = {}
    for config in protocol.configs:
        if configs is None or config.name in configs:
            groups.setdefault(config.model_copy(update={"evaluation": None}).recipe_digest, []).append(config)
    return list(groups.values())


def _curves(results: Sequence[Result], group: Sequence[Config]) -> list[_Array]:
    """Losses (points,) at equal parts of training, one a seed; those of the first config that has any."""
    parts = np.linspace(0, 1, _POINTS)
    for config in group:
        found = [result.curves for result in results if result.config == config.name and result.curves.pretrain_steps]
        if found:
            return [_resampled(parts, curve.pretrain_steps, curve.pretrain_loss) for curve in found]
    return []


def _resampled(parts: _Array, steps: Sequence[int], losses: Sequence[float]) -> _Array:
    at = np.asarray(steps, dtype=np.float64) / steps[-1]
    values: _Array = np.interp(parts, at, np.asarray(losses, dtype=np.float64), left=np.nan)
    return values


def _panel(axes: Axes, group: Sequence[Config], material: Material) -> None:
    duration = group[0].train.duration
    length = float(getattr(duration, duration.unit))
    x = np.linspace(0, length, _POINTS)
    whole = np.stack(_curves(material.full, group))
    axes.fill_between(x, whole.min(0), whole.max(0), color="0.8", linewidth=0, zorder=1)
    axes.plot(x, whole.mean(0), color="black", linewidth=2.4, zorder=4, label=drawing.FULL_DATA)
    chosen, named_random = 0, False
    for row in sorted(material.rows, key=lambda row: not row.is_random):  # random ones first; else as given
        curves = _curves(row.submission.results, group)
        if row.is_random:
            label = None if named_random else "random subsets"
            style: dict[str, Any] = {"color": drawing.RANDOM, "linestyle": "solid", "linewidth": 0.9, "zorder": 2}
            named_random = True
        else:
            label = row.submission.metadata.name
            style = drawing.line_style(chosen) | {"linewidth": 1.4, "markersize": 4, "zorder": 3}
            # Marks a quarter apart and shifted, so that lines on top of each other keep their signs.
            style["markevery"] = (8 + 5 * (chosen % 5), 25)
            chosen += 1
        if curves:
            axes.plot(x, np.stack(curves).mean(0), label=label, **style)
        else:
            axes.plot([], [], label=label, **style)
    axes.set_title(_shared_title([config.title for config in group]), loc="left", fontsize=8)
    axes.set_xlabel(duration.unit)
    axes.set_xlim(0, length)
    drawing.light_grid(axes, "y")


def _shared_title(titles: Sequence[str]) -> str:
    """What titles have in common, up to a whole word: ``MAE, 32 epochs`` of those evaluated in two ways."""
    columns = zip(*(title.split() for title in titles), strict=False)
    shared = " ".join(words[0] for words in itertools.takewhile(lambda words: len(set(words)) == 1, columns))
    return shared.rstrip(" ,") or " / ".join(titles)
