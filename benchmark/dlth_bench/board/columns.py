"""The columns of the flat table: one entry each says what it holds and how it is had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dlth_bench.board.rank import Rank, SameCost, selection_cost
from dlth_bench.board.submission_folder import Status, StoredSubmission
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.reference import Cost
from dlth_bench.scoring.comparison import AmongRandom
from dlth_bench.scoring.scorecard import CorrelationScore, CostScore, DecisionScore, Scorecard
from dlth_bench.util.text import correlation, count, duration, factor, interval, percent, probability


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


Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Field:
    """A column of the table.

    Attributes:
        key: its name.
        kind: its type in Parquet.
        meaning: what it holds, with the unit; for the table's documentation.
        value: None when unknown or when it does not apply.
    """

    key: str
    kind: Literal["string", "int64", "double", "bool"]
    meaning: str
    value: Callable[[Protocol, Row], Cell]


def _of_card(read: Callable[[Scorecard], Cell]) -> Callable[[Protocol, Row], Cell]:
    return lambda _, row: read(row.submission.scorecard)


def _of_decision(read: Callable[[DecisionScore], Cell]) -> Callable[[Protocol, Row], Cell]:
    return _of_card(lambda card: None if card.decision is None else read(card.decision))


def _of_cost(read: Callable[[CostScore], Cell]) -> Callable[[Protocol, Row], Cell]:
    return _of_card(lambda card: None if card.cost is None else read(card.cost))


def _of_selection(read: Callable[[Cost], Cell]) -> Callable[[Protocol, Row], Cell]:
    return lambda _, row: None if (cost := selection_cost(row.submission.metadata)) is None else read(cost)


def _correlation(key: str, name: str, score: Callable[[Scorecard], CorrelationScore]) -> tuple[Field, ...]:
    return (
        Field(
            key,
            "double",
            f"{name} of subset and full-data accuracies over the configs",
            _of_card(lambda c: score(c).value),
        ),
        Field(
            f"{key}_low", "double", f"lower end of {name}'s 95 % interval over seeds", _of_card(lambda c: score(c).low)
        ),
        Field(f"{key}_high", "double", "upper end of that interval", _of_card(lambda c: score(c).high)),
        Field(
            f"{key}_configs_low",
            "double",
            f"lower end of {name}'s 95 % interval over configs",
            _of_card(lambda c: score(c).configs_low),
        ),
        Field(f"{key}_configs_high", "double", "upper end of that interval", _of_card(lambda c: score(c).configs_high)),
        Field(
            f"{key}_p_value",
            "double",
            f"share of config orders that reach {name}",
            _of_card(lambda c: score(c).p_value),
        ),
        Field(
            f"{key}_ceiling",
            "double",
            f"noise ceiling: {name} of two full-data replicates",
            _of_card(lambda c: score(c).ceiling),
        ),
    )


def _seeds(card: Scorecard) -> int:
    """Of the config that has the fewest."""
    return min(len(score.accuracies) for score in card.configs)


FIELDS: tuple[Field, ...] = (
    Field("protocol", "string", "name@version of the protocol", lambda protocol, _: protocol.key),
    Field("protocol_digest", "string", "SHA-256 of the protocol", lambda protocol, _: protocol.digest),
    Field("dataset", "string", "dataset of the protocol", lambda protocol, _: protocol.data.dataset),
    Field("name", "string", "name of the submission", lambda _, row: row.submission.metadata.name),
    Field(
        "status",
        "string",
        "self-reported, verified or disputed; reported: printed in a publication, without results",
        lambda _, row: row.status,
    ),
    Field("status_note", "string", "who verified, when and how much", lambda _, row: row.status_note),
    Field(
        "rank_first",
        "int64",
        "best place it may truly have",
        lambda _, row: None if row.rank is None else row.rank.first,
    ),
    Field(
        "rank_last",
        "int64",
        "worst place it may truly have",
        lambda _, row: None if row.rank is None else row.rank.last,
    ),
    Field(
        "group",
        "int64",
        "number of its tie group, 1 for the top",
        lambda _, row: None if row.rank is None else row.rank.group,
    ),
    Field("policy", "string", "how the members were selected", lambda _, row: row.submission.metadata.policy),
    Field(
        "authors",
        "string",
        "submitters, separated by semicolons",
        lambda _, row: "; ".join(row.submission.metadata.authors),
    ),
    Field("description", "string", "one line of the submitters'", lambda _, row: row.submission.metadata.description),
    Field("url", "string", "page about the subset", lambda _, row: row.submission.metadata.url),
    Field("date", "string", "day of the submission, ISO 8601", lambda _, row: row.submission.metadata.date.isoformat()),
    Field("classes", "int64", "classes in the subset", lambda _, row: row.submission.metadata.classes),
    Field(
        "samples",
        "int64",
        "samples in a sample subset; none: all of its classes",
        lambda _, row: row.submission.metadata.samples,
    ),
    Field("configs", "int64", "configs of the grid", lambda protocol, _: len(protocol.configs)),
    Field("seeds", "int64", "seeds of the config that has the fewest", _of_card(_seeds)),
    *_correlation("spearman", "Spearman's ρ", lambda card: card.spearman),
    *_correlation("pearson", "Pearson's ρ", lambda card: card.pearson),
    *_correlation("kendall", "Kendall's τ-b", lambda card: card.kendall),
    Field("picked", "string", "config that is best on the subset", _of_decision(lambda found: found.picked)),
    Field("best", "string", "config that is best on the full data", _of_decision(lambda found: found.best)),
    Field(
        "regret_points",
        "double",
        "full-data accuracy (or the protocol's other metric) lost by that pick, fractions in points",
        _of_card(lambda card: None if card.decision is None else card.metric.shown(card.decision.regret)),
    ),
    Field(
        "pairs_agreed",
        "int64",
        "pairs of configs ordered as on the full data",
        _of_decision(lambda found: found.pairs_agreed),
    ),
    Field(
        "pairs_resolved",
        "int64",
        "pairs whose full-data difference exceeds seed noise",
        _of_decision(lambda found: found.pairs_resolved),
    ),
    Field("images", "int64", "samples drawn in training, all runs", _of_cost(lambda cost: cost.subset.images)),
    Field(
        "flops", "double", "floating-point operations of training, all runs", _of_cost(lambda cost: cost.subset.flops)
    ),
    Field(
        "device_seconds",
        "double",
        "device time of training, all runs, in seconds",
        _of_cost(lambda cost: cost.subset.device_seconds),
    ),
    Field(
        "images_saved", "double", "fraction of the full data's images saved", _of_cost(lambda cost: cost.images_saved)
    ),
    Field(
        "flops_saved", "double", "fraction of the full data's operations saved", _of_cost(lambda cost: cost.flops_saved)
    ),
    Field(
        "device_seconds_saved",
        "double",
        "fraction of the full data's device time saved",
        _of_cost(lambda cost: cost.device_seconds_saved),
    ),
    Field(
        "selection_images",
        "int64",
        "samples drawn in choosing the subset; none: not stated",
        _of_selection(lambda cost: cost.images),
    ),
    Field(
        "selection_flops",
        "double",
        "floating-point operations of choosing the subset",
        _of_selection(lambda cost: cost.flops),
    ),
    Field(
        "selection_device_seconds",
        "double",
        "device time of choosing the subset, in seconds",
        _of_selection(lambda cost: cost.device_seconds),
    ),
    Field(
        "random_count",
        "int64",
        "random subsets of its size on the board",
        lambda _, row: None if row.random is None else row.random.count,
    ),
    Field(
        "random_percentile",
        "double",
        "per cent of them that have a lower Spearman's ρ",
        lambda _, row: None if row.random is None else row.random.percentile,
    ),
    Field(
        "same_cost_spearman",
        "double",
        "Spearman's ρ of as many random subsets as its cost buys",
        lambda _, row: None if row.same_cost is None else row.same_cost.spearman,
    ),
    Field(
        "complete",
        "bool",
        "whether every config has every seed and fits its training data",
        _of_card(lambda card: card.complete),
    ),
    Field("flags", "string", "what keeps it from a rank, separated by commas", lambda _, row: ", ".join(flags(row))),
    Field("subset_digest", "string", "SHA-256 of the subset", lambda _, row: row.submission.metadata.subset_digest),
    Field(
        "manifest_digest", "string", "SHA-256 of the dataset's manifest", _of_card(lambda card: card.manifest_digest)
    ),
    Field("package", "string", "version of dlth-bench that scored", _of_card(lambda card: card.package)),
    Field("source", "string", "publication that prints a reported row", lambda _, __: ""),
    Field("note", "string", "what does not follow from that publication's numbers", lambda _, __: ""),
)
"""All columns, in order."""
