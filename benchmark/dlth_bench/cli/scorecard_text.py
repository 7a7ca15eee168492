"""A scorecard in sentences, for a reader who meets these figures for the first time."""

from __future__ import annotations

from collections.abc import Mapping

from dlth_bench.leaderboard.metric_text import size
from dlth_bench.leaderboard.number_text import correlation, interval, probability
from dlth_bench.spec.metric import ACCURACY, Metric
from dlth_bench.spec.scorecard import CorrelationScore, DecisionScore, Scorecard, StructureScore


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
