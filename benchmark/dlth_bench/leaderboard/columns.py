"""The columns of the board: one entry each says what it shows and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dlth_bench.leaderboard.number_text import correlation, count, duration, factor, interval, percent, probability
from dlth_bench.leaderboard.random_peers import SameCost, selection_cost
from dlth_bench.leaderboard.ranking import Rank
from dlth_bench.leaderboard.submissions import Status, StoredSubmission
from dlth_bench.spec.reference import Cost
from dlth_bench.spec.scorecard import CorrelationScore

if TYPE_CHECKING:
    from dlth_bench.scoring.random_subsets import AmongRandom


@dataclass(frozen=True)
class Row:
    """A submission on the board of its protocol.

    Attributes:
        rank: None when it cannot have one.
        random: where its ρs stands among random subsets of its size; None without any.
        same_cost: what its cost buys in random subsets; None where the cost of its selection is not stated.
    """

    submission: StoredSubmission
    rank: Rank | None
    random: AmongRandom | None = None
    same_cost: SameCost | None = None

    @property
    def status(self) -> Status:
        """What verification found."""
        return self.submission.status

    @property
    def status_note(self) -> str:
        """By whom, when and on how many runs, as plain text; empty where the status is the submitter's word."""
        found = self.submission.verification
        if found is None or self.status == "self-reported":
            return ""
        return f"{found.by}, {found.date}, {'1 cell' if len(found.cells) == 1 else f'{len(found.cells)} cells'}"


@dataclass(frozen=True)
class Column:
    """A column of the board.

    Attributes:
        key: its name in JSON.
        title: its heading.
        value: what JSON carries; None when unknown.
        show: what tables show, as plain text.
        foreign: whether the text is the submitter's; it is aligned to the left and escaped.
        narrow: whether a table for a terminal of 80 columns has it too.
    """

    key: str
    title: str
    value: Callable[[Row], Any]
    show: Callable[[Row], str]
    foreign: bool = False
    narrow: bool = False


def flags(row: Row) -> list[str]:
    """What keeps a submission from having a rank: ``incomplete``, ``underfit`` and ``disputed``."""
    problems = [problem for score in row.submission.scorecard.configs for problem in score.problems]
    underfit = [problem for problem in problems if "underfits" in problem]
    found = ["incomplete"] if len(underfit) < len(problems) else []
    found += ["underfit"] if underfit else []
    complete = row.submission.scorecard.complete
    found = found if found or complete else ["incomplete"]
    return [*found, "disputed"] if row.status == "disputed" else found


def _status(row: Row) -> dict[str, str | int | None]:
    """By whom, when and in how many cells a submission was verified or disputed."""
    found = row.submission.verification
    if found is None:
        return {"status": row.status, "by": None, "date": None, "cells": None}
    return {"status": row.status, "by": found.by, "date": found.date.isoformat(), "cells": len(found.cells)}


def _status_text(row: Row) -> str:
    """``self-reported``, or ``verified (Ada L., 2026-11-21, 2 cells)``."""
    return f"{row.status} ({row.status_note})" if row.status_note else row.status


def _rank(row: Row) -> str:
    return "–" if row.rank is None else str(row.rank)


def _numbers(score: CorrelationScore) -> dict[str, float | bool | None]:
    return {
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "configs_low": score.configs_low,
        "configs_high": score.configs_high,
        "ceiling": score.ceiling,
        "reaches_ceiling": score.reaches_ceiling,
    }


def _with_interval(score: CorrelationScore) -> str:
    return f"{correlation(score.value)} {interval(score.low, score.high)}"


def _regret(row: Row) -> float | None:
    decision = row.submission.scorecard.decision
    return None if decision is None else row.submission.scorecard.metric.shown(decision.regret)


def _regret_text(row: Row) -> str:
    value = _regret(row)
    if value is None:
        return "–"
    return f"{value:.1f}" if row.submission.scorecard.metric.unit == "fraction" else f"{value:.3g}"


def _pairs(row: Row) -> list[int] | None:
    decision = row.submission.scorecard.decision
    return None if decision is None else [decision.pairs_agreed, decision.pairs_resolved]


def _classes(row: Row) -> str:
    """``24``, or ``246 (1152 samples)`` for a sample subset."""
    metadata = row.submission.metadata
    return str(metadata.classes) if metadata.samples is None else f"{metadata.classes} ({metadata.samples} samples)"


def _images_saved(row: Row) -> float | None:
    cost = row.submission.scorecard.cost
    return None if cost is None else cost.images_saved


def _time_saved(row: Row) -> float | None:
    cost = row.submission.scorecard.cost
    return None if cost is None else cost.device_seconds_saved


def _among_random(row: Row) -> str:
    """``75 % of 6``: the share of random subsets that do worse."""
    return "–" if row.random is None else f"{row.random.percentile:.0f} % of {row.random.count}"


def _selection_cost(cost: Cost | None) -> str:
    """The most telling of its figures: ``none``, a device time, FLOPs or images."""
    if cost is None:
        return "–"
    if cost.device_seconds:
        return duration(cost.device_seconds)
    if cost.flops:
        return f"{count(cost.flops)}FLOP"
    return f"{count(cost.images)} images" if cost.images else "none"


def _same_cost(row: Row) -> str:
    """``.743 (2)``: the ρs of that many random subsets averaged."""
    return "–" if row.same_cost is None else f"{correlation(row.same_cost.spearman)} ({row.same_cost.subsets})"


COLUMNS: tuple[Column, ...] = (
    Column(
        "rank", "Rank", lambda row: None if row.rank is None else [row.rank.first, row.rank.last], _rank, narrow=True
    ),
    Column(
        "group",
        "Group",
        lambda row: None if row.rank is None else row.rank.group,
        lambda row: "–" if row.rank is None else str(row.rank.group),
    ),
    Column(
        "name",
        "Submission",
        lambda row: row.submission.metadata.name,
        lambda row: row.submission.metadata.name,
        foreign=True,
        narrow=True,
    ),
    Column(
        "policy",
        "Policy",
        lambda row: row.submission.metadata.policy,
        lambda row: row.submission.metadata.policy,
        foreign=True,
        narrow=True,
    ),
    Column("classes", "Classes", lambda row: row.submission.metadata.classes, _classes, narrow=True),
    Column(
        "spearman",
        "ρs [95 %]",
        lambda row: _numbers(row.submission.scorecard.spearman),
        lambda row: _with_interval(row.submission.scorecard.spearman),
        narrow=True,
    ),
    Column(
        "pearson",
        "ρp [95 %]",
        lambda row: _numbers(row.submission.scorecard.pearson),
        lambda row: _with_interval(row.submission.scorecard.pearson),
    ),
    Column(
        "kendall",
        "τ-b",
        lambda row: _numbers(row.submission.scorecard.kendall),
        lambda row: correlation(row.submission.scorecard.kendall.value),
    ),
    Column(
        "p_value",
        "p (ρs)",
        lambda row: row.submission.scorecard.spearman.p_value,
        lambda row: probability(row.submission.scorecard.spearman.p_value),
    ),
    Column("regret_points", "Regret", _regret, _regret_text, narrow=True),
    Column("pairs", "Pairs", _pairs, lambda row: "–" if (pairs := _pairs(row)) is None else f"{pairs[0]}/{pairs[1]}"),
    Column("images_saved", "Images saved %", _images_saved, lambda row: percent(_images_saved(row))),
    Column("device_seconds_saved", "Device time saved", _time_saved, lambda row: factor(_time_saved(row))),
    Column("random", "Beats RS", lambda row: None if row.random is None else asdict(row.random), _among_random),
    Column(
        "selection_cost",
        "Selection",
        lambda row: None if (cost := selection_cost(row.submission.metadata)) is None else cost.model_dump(),
        lambda row: _selection_cost(selection_cost(row.submission.metadata)),
    ),
    Column(
        "same_cost", "RS at its cost", lambda row: None if row.same_cost is None else asdict(row.same_cost), _same_cost
    ),
    Column("status", "Status", _status, _status_text, foreign=True),
    Column("flags", "Flags", flags, lambda row: ", ".join(flags(row)), narrow=True),
)
"""All columns, in the board's order."""
