"""The columns of the flat table: one entry each says what it holds and how it is had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dlth_bench.leaderboard.columns import Row, flags
from dlth_bench.leaderboard.random_peers import selection_cost
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.reference import Cost
from dlth_bench.spec.scorecard import CorrelationScore, CostScore, DecisionScore, Scorecard

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
