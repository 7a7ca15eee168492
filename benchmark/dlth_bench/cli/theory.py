"""``dlth-bench theory``: the teacher-student perceptron of the paper's appendix F.1, simulated and drawn."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from dlth_bench.board.figures.drawing import write
from dlth_bench.board.figures.perceptron import perceptron_figure
from dlth_bench.cli.shared import options
from dlth_bench.paper.perceptron import RULES, Line, Rule, Setting, document, lines, simulated
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import correlation, printable, quoted

_MOST_NUMBERS = 4_000_000
"""Inputs times dimensions of one seed: 32 MB, and minutes for the largest margin."""


def theory(
    dimensions: Annotated[int, typer.Option("--dimensions", min=10, max=2000, help="Of the inputs.")] = 100,
    alpha: Annotated[
        float, typer.Option("--samples-per-dimension", min=1.0, max=1000.0, help="Of the full data.")
    ] = 10.0,
    kept: Annotated[str, typer.Option("--kept", help="Shares that subsets keep, separated by commas.")] = "0.5,0.2,0.1",
    angle: Annotated[
        float, typer.Option("--angle", min=0.0, max=90.0, help="Between probe and teacher, in degrees.")
    ] = 20.0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1000, help="How often all is drawn anew.")] = 5,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="This one and those after it.")] = 0,
    output: Annotated[Path, typer.Option("--output", help="The figure to write, without .svg and .png.")] = Path(
        "theory"
    ),
    as_json: options.Json = False,
) -> None:
    """Simulate the teacher-student perceptron: does a subset of small margins rank rules of training as all data do?

    Students are trained by seven rules on the full data, on the samples with the smallest margin of a probe, and on as
    many random ones. Writes a figure as SVG and PNG.

    Example: dlth-bench theory --angle 40 --output theory-40
    """
    setting = Setting(dimensions, alpha, _shares(kept, round(dimensions * alpha)), math.radians(angle))
    if alpha * dimensions**2 > _MOST_NUMBERS:
        raise InputError(f"--dimensions: {dimensions} with {alpha:g} samples a dimension are too many to simulate here")
    chosen = range(first_seed, first_seed + seeds)
    progress = Console(stderr=True)
    errors = list(track(simulated(setting, RULES, chosen), "seeds", total=seeds, console=progress))
    found = lines(setting, RULES, errors)
    written = write(lambda: perceptron_figure(setting, RULES, found, seeds), output)
    if as_json:
        typer.echo(json.dumps(document(setting, RULES, found, list(chosen)), indent=2))
        return
    console = Console(highlight=False)
    console.print(_table(RULES, found))
    console.print(
        "Error on new samples in %, simulated and, below, analytic where there is a formula; "
        "ρ with the errors on full data."
    )
    console.print(Text(f"wrote {', '.join(printable(str(path)) for path in written)}"), soft_wrap=True)


def _shares(text: str, samples: int) -> tuple[float, ...]:
    """The shares as numbers, each once.

    Raises:
        InputError: one is none, or keeps fewer than two samples.
    """
    names = options.split_names(text) or []
    wrong = [name for name in names if not re.fullmatch(r"0?\.[0-9]{1,6}", name) or float(name) * samples < 2]
    if wrong or not names or len(names) > 6:
        raise InputError(f"--kept: {quoted(text)} is not a list of up to 6 shares between 0 and 1, such as 0.5,0.1")
    return tuple(dict.fromkeys(float(name) for name in names))


def _table(rules: Sequence[Rule], found: Sequence[Line]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("Data", no_wrap=True)
    for title in (*(rule.name for rule in rules), "ρp", "ρs"):
        table.add_column(title, justify="right")
    for line in found:
        simulated = [f"{100 * mean:.1f}" for mean in line.mean]
        table.add_row(line.name, *simulated, *(_rho(value) for value in (line.pearson, line.spearman)))
        exact = ["" if value is None else f"{100 * value:.1f}" for value in line.analytic]
        table.add_row("  analytic", *exact, "", "", style="dim")
    return table


def _rho(value: float) -> str:
    return correlation(None if math.isnan(value) else value)
