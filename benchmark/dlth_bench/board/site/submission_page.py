"""The page of a submission beyond its scorecard, and the comparison of two of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlth_bench.board.board import Board
from dlth_bench.board.columns import SITE_COLUMNS
from dlth_bench.board.rank import ranking
from dlth_bench.board.row import Row
from dlth_bench.board.site.templates import submission_path
from dlth_bench.board.submission_folder import SUBSET, StoredSubmission
from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.measurements import ACCURACY, Metric
from dlth_bench.protocols.protocol import Cost
from dlth_bench.runs.run import Environment, Result
from dlth_bench.scoring.scorecard import ConfigScore, Scorecard


@dataclass(frozen=True)
class ConfigLine:
    """A config on the subset and on the full data.

    Attributes:
        place: by mean accuracy on the subset, 1 for the best; None without a mean.
        full_place: likewise on the full data.
        without: ρs over the other configs.
        influence: ρs less ``without``: how much higher the config makes ρs; None where one is not defined.
    """

    score: ConfigScore
    place: int | None
    full_place: int
    without: float | None
    influence: float | None
    cost: Cost | None


@dataclass(frozen=True)
class ClassLine:
    """A class of the subset, by ID and name, with its mean accuracy over all finished runs."""

    id: str
    name: str
    accuracy: float | None


def config_lines(stored: StoredSubmission) -> list[ConfigLine]:
    """The protocol's configs, in its order."""
    card = stored.scorecard
    oriented = card.metric.oriented
    means = [None if score.mean is None else oriented(score.mean) for score in card.configs]
    full = [oriented(score.reference_mean) for score in card.configs]
    costs = _costs(stored.results)
    lines = []
    for score, mean, full_mean in zip(card.configs, means, full, strict=True):
        without = card.leave_one_out.get(score.config)
        line = ConfigLine(
            score=score,
            place=_place(mean, means),
            full_place=_place(full_mean, full) or 0,
            without=without,
            influence=_difference(card.spearman.value, without),
            cost=costs.get(score.config),
        )
        lines.append(line)
    return lines


def class_lines(stored: StoredSubmission, catalog: ClassCatalog) -> list[ClassLine]:
    """The classes of the subset, in its canonical order."""
    ids = stored.subset.class_ids
    tables = [result.class_accuracy for result in stored.results if len(result.class_accuracy) == len(ids)]
    means = [sum(column) / len(tables) for column in zip(*tables, strict=True)] if tables else [None] * len(ids)
    return [ClassLine(item, class_name(catalog, item), mean) for item, mean in zip(ids, means, strict=True)]


def class_name(catalog: ClassCatalog, class_id: str) -> str:
    """The readable name of a class; its ID where the catalog does not know it."""
    index = catalog.index(class_id)
    return class_id if index is None else catalog.classes[index].name


def environments(results: Sequence[Result]) -> list[tuple[int, Environment]]:
    """What the runs were computed with: how many runs, and the software and device that these have in common."""
    found: dict[Environment, int] = {}
    for result in results:
        if result.environment is not None:
            found[result.environment] = found.get(result.environment, 0) + 1
    return sorted(((count, item) for item, count in found.items()), key=lambda pair: (-pair[0], repr(pair[1])))


def reproduce_command(stored: StoredSubmission) -> str:
    """The command that trains and scores the subset again, from a checkout with the submissions."""
    metadata = stored.metadata
    path = f"submissions/{metadata.protocol_name}/{metadata.name}/{SUBSET}"
    length = ["--exponent", f"{metadata.exponent:g}"] if metadata.exponent else []
    return shlex.join(["dlth-bench", "run", "--protocol", metadata.protocol, "--subset", path, *length])


def influence_reach(card: Scorecard) -> float:
    """The largest change of ρs by leaving out a config, to draw all of them on one scale; never 0."""
    values = [_difference(card.spearman.value, without) for without in card.leave_one_out.values()]
    return max([0.05, *(abs(value) for value in values if value is not None)])


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _place(value: float | None, all_values: Sequence[float | None]) -> int | None:
    """1 plus the number of values that are larger: equal ones share the better place."""
    if value is None:
        return None
    return 1 + sum(other is not None and other > value for other in all_values)


def _costs(results: Sequence[Result]) -> dict[str, Cost]:
    """What the finished runs of each config took, all seeds together."""
    costs: dict[str, Cost] = {}
    for result in results:
        if result.cost is None:
            continue
        before, own = costs.get(result.config), result.cost
        costs[result.config] = own if before is None else _sum(before, own)
    return costs


def _sum(one: Cost, other: Cost) -> Cost:
    return Cost(
        images=one.images + other.images,
        flops=one.flops + other.flops,
        device_seconds=one.device_seconds + other.device_seconds,
    )


FACTS = tuple(column for column in SITE_COLUMNS if column.key not in {"name", "status"})
"""The columns of the board that the page repeats, a row each."""


def compare_data(boards: Sequence[Board]) -> dict[str, Any]:
    """All boards with two submissions or more, by protocol, and the names of the classes in their subsets."""
    comparable = [board for board in boards if len(board.rows) > 1]
    return {
        "facts": [{"key": column.key, "title": column.heading} for column in FACTS],
        "protocols": {board.protocol.key: _protocol(board) for board in comparable},
        "classes": _class_names(comparable),
    }


def _protocol(board: Board) -> dict[str, Any]:
    scores = board.rows[0].submission.scorecard.configs
    cards = {row.submission.metadata.name: row.submission.scorecard for row in board.rows}
    return {
        "title": board.protocol.title,
        "dataset": board.protocol.data.dataset,
        "metric": _metric(board.protocol.metric),
        "configs": [score.title for score in scores],
        "full": [[score.reference_mean, score.reference_std] for score in scores],
        "separated": sorted(ranking(cards).separated),
        "submissions": {row.submission.metadata.name: _submission(row) for row in board.rows},
    }


def _metric(metric: Metric) -> dict[str, Any]:
    """What the page needs to draw and rank values; ``title`` begins a sentence."""
    title = "Top-1 accuracy" if metric == ACCURACY else metric.title.capitalize()
    return {"title": title, "percent": metric.unit == "fraction", "lower": metric.direction == "lower"}


def _submission(row: Row) -> dict[str, Any]:
    stored = row.submission
    return {
        "href": submission_path(stored.metadata),
        "status": row.status,
        "facts": {column.key: column.show(row) for column in FACTS},
        "accuracies": [[score.mean, score.std] for score in stored.scorecard.configs],
        "classes": list(stored.subset.class_ids),
    }


def _class_names(boards: Sequence[Board]) -> dict[str, dict[str, str]]:
    """By dataset and ID, of the classes that some submission has."""
    ids: dict[str, set[str]] = {}
    for board in boards:
        own = ids.setdefault(board.protocol.data.dataset, set())
        own.update(item for row in board.rows for item in row.submission.subset.class_ids)
    names = {}
    for dataset, used in ids.items():
        catalog = class_catalog(dataset)
        names[dataset] = {item: class_name(catalog, item) for item in sorted(used)}
    return names
