"""A scorecard on a terminal, readable at 80 columns."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.scorecard import CorrelationScore, CostScore, DecisionScore, Scorecard


def show_scorecard(scorecard: Scorecard, name: str, console: Console) -> None:
    """Print a scorecard: accuracies by config, correlations, the decision it leads to, and what it saved.

    Args:
        name: of the subset, as the user knows it.
    """
    size = f", {subset_size(scorecard.classes, scorecard.samples)}" if scorecard.classes else ""
    _line(console, f"{printable(name)}{size}, under {scorecard.protocol}", style="bold")
    console.print(_configs(scorecard))
    console.print(_correlations(scorecard))
    titles = {score.config: score.title for score in scorecard.configs}
    for line in [
        *_decision(scorecard.decision, titles),
        *_influence(scorecard.leave_one_out, titles),
        *_cost(scorecard.cost),
        *(f"note: {note}" for note in scorecard.notes),
    ]:
        _line(console, line)
    if not scorecard.complete:
        _line(console, "Incomplete: runs are missing, broke down or underfit, so this has no rank.", style="bold")


def _line(console: Console, text: str, style: str = "") -> None:
    # A scorecard may come from a stranger's file: no markup, no control characters.
    console.print(Text(printable(text, 1000), style=style), highlight=False)


def _configs(scorecard: Scorecard) -> Table:
    table = Table("Config", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Subset top-1 %", justify="right", no_wrap=True)
    table.add_column("Full data %", justify="right", no_wrap=True)
    troubled = any(score.problems for score in scorecard.configs)
    if troubled:
        table.add_column("Problems")
    for score in scorecard.configs:
        cells = (
            printable(score.title),
            percent(score.mean, score.std),
            percent(score.reference_mean, score.reference_std),
        )
        problems = [printable("; ".join(score.problems), 300)] if troubled else []
        table.add_row(*(Text(cell) for cell in (*cells, *problems)))
    return table


def _correlations(scorecard: Scorecard) -> Table:
    table = Table("Correlation", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("value", "95 % interval", "p", "ceiling", "disattenuated"):
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
        probability(score.p_value),
        correlation(score.ceiling),
        correlation(score.disattenuated),
    )


def _decision(decision: DecisionScore | None, titles: dict[str, str]) -> list[str]:
    if decision is None:
        return []
    picked, best = titles.get(decision.picked, decision.picked), titles.get(decision.best, decision.best)
    if decision.picked == decision.best:
        choice = f"Picks {picked}, which is the full data's best."
    else:
        choice = f"Picks {picked}; the full data's best is {best}: {100 * decision.regret:.1f} points lost."
    pairs = (
        f"Orders {decision.pairs_agreed} of {decision.pairs_resolved} resolved pairs of configs as the full data do."
    )
    return [choice, pairs]


def _influence(leave_one_out: dict[str, float | None], titles: dict[str, str]) -> list[str]:
    """The range of ρs when one config is left out."""
    known = {config: value for config, value in leave_one_out.items() if value is not None}
    if not known:
        return []
    lowest, highest = min(known, key=lambda config: known[config]), max(known, key=lambda config: known[config])
    return [
        f"Leaving one config out, ρs runs from {correlation(known[lowest])} (without {titles.get(lowest, lowest)}) "
        f"to {correlation(known[highest])} (without {titles.get(highest, highest)})."
    ]


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
