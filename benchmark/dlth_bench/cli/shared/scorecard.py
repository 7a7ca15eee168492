"""A scorecard on a terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.protocols.measurements import ACCURACY, Metric, amount, column_title, difference, explained, size
from dlth_bench.scoring.scorecard import (
    CorrelationScore,
    CostScore,
    DecisionScore,
    Scorecard,
    StepScore,
    StructureScore,
)
from dlth_bench.subsets.subset import REPLACED_TEXT
from dlth_bench.util.text import (
    correlation,
    count,
    duration,
    factor,
    interval,
    percent,
    printable,
    probability,
    subset_size,
)


def sentences(scorecard: Scorecard, titles: Mapping[str, str]) -> list[str]:
    """What the figures say, most important first; nothing about what is not known.

    Args:
        titles: of the configs, by name.
    """
    return [
        *_trend(scorecard.spearman, len([score for score in scorecard.configs if score.accuracies])),
        *_ceiling(scorecard.spearman),
        *_choice(scorecard.decision, titles, scorecard.metric),
        *_pairs(scorecard.decision, scorecard.metric),
        *_influence(scorecard.leave_one_out, titles),
        *_structure(scorecard.structure),
    ]


def _trend(score: CorrelationScore, configs: int) -> list[str]:
    if score.value is None:
        return []
    text = (
        f"ρs {correlation(score.value)}, a rank correlation: how alike subset and full data order the {configs} "
        "configs (1 alike, 0 unrelated, -1 reversed)"
    )
    if score.low is not None:
        text += f"; with other seeds it could be anything in {interval(score.low, score.high)}"
    return [f"{text}; a random order does as well with a chance of {probability(score.p_value)}."]


def _ceiling(score: CorrelationScore) -> list[str]:
    if score.ceiling is None:
        return []
    text = f"Noise ceiling {correlation(score.ceiling)}: what the full data would reach against itself with other seeds"
    if score.reaches_ceiling is None:
        return [f"{text}."]
    if score.reaches_ceiling:
        return [f"{text}; at this seed count the subset is indistinguishable from the full data."]
    return [f"{text}; the subset is told apart from the full data."]


def _choice(decision: DecisionScore | None, titles: Mapping[str, str], metric: Metric) -> list[str]:
    if decision is None:
        return []
    picked, best = titles.get(decision.picked, decision.picked), titles.get(decision.best, decision.best)
    what = "accuracy" if metric == ACCURACY else metric.title
    lost = f"Regret {size(decision.regret, metric)}: the full-data {what} lost by training what the subset puts first"
    if decision.picked == decision.best:
        return [f"{lost}, {picked}, which is the full data's best."]
    second = "; that is the subset's second" if decision.top2_hit == 1 else ""
    return [f"{lost}, {picked}, in place of the best, {best}{second}."]


def _pairs(decision: DecisionScore | None, metric: Metric) -> list[str]:
    if decision is None:
        return []
    text = (
        f"Orders {decision.pairs_agreed} of {decision.pairs_resolved} pairs as the full data do, where these are clear"
    )
    if decision.resolved_gap is not None:
        text += f"; all that lie {size(decision.resolved_gap, metric)} or more apart"
    if decision.noise_gap is not None:
        text += f"; differences below {size(decision.noise_gap, metric)} on the subset may be seed noise"
    return [f"{text}."]


def _influence(leave_one_out: Mapping[str, float | None], titles: Mapping[str, str]) -> list[str]:
    """The range of ρs when one config is left out."""
    known = {config: value for config, value in leave_one_out.items() if value is not None}
    if not known:
        return []
    lowest, highest = min(known, key=lambda config: known[config]), max(known, key=lambda config: known[config])
    return [
        f"Leaving one config out, ρs runs from {correlation(known[lowest])} (without {titles.get(lowest, lowest)}) "
        f"to {correlation(known[highest])} (without {titles.get(highest, highest)})."
    ]


def _structure(structure: StructureScore | None) -> list[str]:
    if structure is None or structure.within is None:
        return []
    agreed, pairs = (sum(getattr(f, key) for f in structure.families) for key in ("pairs_agreed", "pairs"))
    between = "" if structure.between is None else f", between their means {correlation(structure.between)}"
    return [
        f"Within families of methods ρp is {correlation(structure.within)} "
        f"({agreed} of {pairs} pairs in order, p {probability(structure.within_p)}){between}."
    ]


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
