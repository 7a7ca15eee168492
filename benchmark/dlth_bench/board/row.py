"""A row of a board: a submission, its rank, and how its facts are written."""

from __future__ import annotations

from dataclasses import dataclass

from dlth_bench.board.rank import Rank, SameCost, is_random
from dlth_bench.board.submission import Submission
from dlth_bench.board.submission_folder import Status, StoredSubmission
from dlth_bench.protocols.protocol import Cost, Protocol
from dlth_bench.scoring.comparison import AmongRandom
from dlth_bench.scoring.scorecard import CorrelationScore, Scorecard
from dlth_bench.util.text import correlation, count, duration, interval


@dataclass(frozen=True)
class Row:
    """A submission on the board of its protocol.

    Attributes:
        protocol: of the board.
        rank: None when it cannot have one.
        random: where its ρs stands among random subsets of its size; None without any.
        same_cost: what its cost buys in random subsets; None where the cost of its selection is not stated.
    """

    protocol: Protocol
    submission: StoredSubmission
    rank: Rank | None
    random: AmongRandom | None = None
    same_cost: SameCost | None = None

    @property
    def metadata(self) -> Submission:
        return self.submission.metadata

    @property
    def card(self) -> Scorecard:
        return self.submission.scorecard

    @property
    def is_random(self) -> bool:
        """Whether it says that it is a random subset."""
        return is_random(self.submission.metadata.policy)

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


def flags(row: Row) -> list[str]:
    """What keeps a submission from having a rank: ``incomplete``, ``underfit`` and ``disputed``."""
    problems = [problem for score in row.submission.scorecard.configs for problem in score.problems]
    underfit = [problem for problem in problems if "underfits" in problem]
    found = ["incomplete"] if len(underfit) < len(problems) else []
    found += ["underfit"] if underfit else []
    complete = row.submission.scorecard.complete
    found = found if found or complete else ["incomplete"]
    return [*found, "disputed"] if row.status == "disputed" else found


def status_facts(row: Row) -> dict[str, str | int | None]:
    """By whom, when and in how many cells a submission was verified or disputed."""
    found = row.submission.verification
    if found is None:
        return {"status": row.status, "by": None, "date": None, "cells": None}
    return {"status": row.status, "by": found.by, "date": found.date.isoformat(), "cells": len(found.cells)}


def status_text(row: Row) -> str:
    """``self-reported``, or ``verified (Ada L., 2026-11-21, 2 cells)``."""
    return f"{row.status} ({row.status_note})" if row.status_note else row.status


def correlation_facts(score: CorrelationScore) -> dict[str, float | bool | None]:
    return score.model_dump(exclude={"p_value", "disattenuated"})


def correlation_text(score: CorrelationScore) -> str:
    return f"{correlation(score.value)} {interval(score.low, score.high)}"


def regret(row: Row) -> float | None:
    decision = row.submission.scorecard.decision
    return None if decision is None else row.submission.scorecard.metric.shown(decision.regret)


def regret_text(row: Row) -> str:
    value = regret(row)
    if value is None:
        return "–"
    return f"{value:.1f}" if row.submission.scorecard.metric.unit == "fraction" else f"{value:.3g}"


def classes_text(row: Row) -> str:
    """``24``, or ``246 (1152 samples)`` for a sample subset."""
    metadata = row.submission.metadata
    return str(metadata.classes) if metadata.samples is None else f"{metadata.classes} ({metadata.samples} samples)"


def among_random_text(row: Row) -> str:
    """``75 % of 6``: the share of random subsets that do worse."""
    return "–" if row.random is None else f"{row.random.percentile:.0f} % of {row.random.count}"


def selection_cost_text(cost: Cost | None) -> str:
    """The most telling of its figures: ``none``, a device time, FLOPs or images."""
    if cost is None:
        return "–"
    if cost.device_seconds:
        return duration(cost.device_seconds)
    if cost.flops:
        return f"{count(cost.flops)}FLOP"
    return f"{count(cost.images)} images" if cost.images else "none"


def same_cost_text(row: Row) -> str:
    """``.743 (2)``: the ρs of that many random subsets averaged."""
    return "–" if row.same_cost is None else f"{correlation(row.same_cost.spearman)} ({row.same_cost.subsets})"
