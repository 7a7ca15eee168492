"""A scorecard on a terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.cli.scorecard_text import sentences
from dlth_bench.leaderboard.metric_text import amount, column_title, difference, explained
from dlth_bench.leaderboard.number_text import (
    correlation,
    count,
    duration,
    factor,
    interval,
    percent,
    probability,
    subset_size,
)
from dlth_bench.spec.metric import ACCURACY, Metric
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.replaced import REPLACED_TEXT
from dlth_bench.spec.scorecard import CorrelationScore, CostScore, Scorecard, StepScore


def show_scorecard(scorecard: Scorecard, name: str, console: Console) -> None:
    """Print a scorecard: accuracies by config, correlations, the decision it leads to, and what it saved.

    Args:
        name: of the subset, as the user knows it.
    """
    size = f", {subset_size(scorecard.classes, scorecard.samples)}" if scorecard.classes else ""
    _line(console, f"{printable(name)}{size}, under {scorecard.protocol}", style="bold")
    if scorecard.replaces != "training":
        _line(console, f"The subset replaces {REPLACED_TEXT[scorecard.replaces]}.")
    if scorecard.metric != ACCURACY:
        _line(console, f"Ranked by {explained(scorecard.metric)}.")
    console.print(_configs(scorecard))
    console.print(_correlations(scorecard))
    titles = {score.config: printable(score.title) for score in scorecard.configs}
    for paragraph in sentences(scorecard, titles):
        _line(console, paragraph)
    if scorecard.steps:
        console.print(_steps(scorecard.steps, titles, scorecard.metric))
    for line in [*_cost(scorecard.cost), *(f"note: {note}" for note in scorecard.notes)]:
        _line(console, line)
    if not scorecard.complete:
        _line(console, "Incomplete: runs are missing, broke down or underfit, so this has no rank.", style="bold")


def _line(console: Console, text: str, style: str = "") -> None:
    # A scorecard may come from a stranger's file: no markup, no control characters.
    console.print(Text(printable(text, 1000), style=style), highlight=False)


def _configs(scorecard: Scorecard) -> Table:
    table = Table("Config", box=box.SIMPLE_HEAD, pad_edge=False)
    metric = scorecard.metric
    table.add_column(f"Subset {column_title(metric)}", justify="right", no_wrap=True)
    table.add_column("Full data %" if metric.unit == "fraction" else "Full data", justify="right", no_wrap=True)
    troubled = any(score.problems for score in scorecard.configs)
    if troubled:
        table.add_column("Problems")
    for score in scorecard.configs:
        cells = (
            printable(score.title),
            amount(score.mean, score.std, metric),
            amount(score.reference_mean, score.reference_std, metric),
        )
        problems = [printable("; ".join(score.problems), 300)] if troubled else []
        table.add_row(*(Text(cell) for cell in (*cells, *problems)))
    return table


def _correlations(scorecard: Scorecard) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Correlation", no_wrap=True)
    for title in ("value", "over seeds", "over configs", "p", "ceiling", "disattenuated"):
        table.add_column(title, justify="right", no_wrap=True)
    scores = (
        ("Spearman ρs", scorecard.spearman),
        ("Pearson ρp", scorecard.pearson),
        ("Kendall τ-b", scorecard.kendall),
    )
    for title, score in scores:
        table.add_row(title, *(Text(cell) for cell in _figures(score)))
    return table


def _figures(score: CorrelationScore) -> tuple[str, ...]:
    return (
        correlation(score.value),
        interval(score.low, score.high),
        interval(score.configs_low, score.configs_high),
        probability(score.p_value),
        correlation(score.ceiling),
        correlation(score.disattenuated),
    )


def _steps(steps: Sequence[StepScore], titles: dict[str, str], metric: Metric) -> Table:
    table = Table("One change of the recipe", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("subset", "full data", "same sign"):
        table.add_column(title, justify="right", no_wrap=True)
    for step in steps:
        pair = f"{printable(step.axis)}: {titles.get(step.before, step.before)} → {titles.get(step.after, step.after)}"
        verdict = {True: "yes", False: "NO", None: "within noise"}[step.same_sign]
        gaps = (step.subset_gap, step.subset_noise), (step.full_gap, step.full_noise)
        table.add_row(Text(pair), *(Text(difference(*gap, metric)) for gap in gaps), Text(verdict))
    return table


def _cost(cost: CostScore | None) -> list[str]:
    if cost is None:
        return []
    spent = cost.subset
    took = (
        f"Took {count(spent.images)} images, {count(spent.flops)}FLOP, {duration(spent.device_seconds)} of device time."
    )
    parts = [
        f"{what} {percent(saved)} % ({factor(saved)})"
        for what, saved in (
            ("images", cost.images_saved),
            ("FLOPs", cost.flops_saved),
            ("device time", cost.device_seconds_saved),
        )
        if saved is not None
    ]
    return [took, f"Saved {', '.join(parts)}." if parts else "What the full data cost is not known."]
