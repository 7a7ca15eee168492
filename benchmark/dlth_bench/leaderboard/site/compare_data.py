"""What the compare page knows: one JSON document, from which the browser draws any two to five submissions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.leaderboard.board import Board
from dlth_bench.leaderboard.columns import Row
from dlth_bench.leaderboard.ranking import ranking
from dlth_bench.leaderboard.site.columns import SITE_COLUMNS
from dlth_bench.leaderboard.site.paths import submission_path
from dlth_bench.leaderboard.site.submission_page import class_name
from dlth_bench.spec.metric import ACCURACY, Metric

FACTS = tuple(column for column in SITE_COLUMNS if column.key not in {"name", "status"})
"""The columns of the board that the page repeats, a row each."""


def compare_data(boards: Sequence[Board]) -> dict[str, Any]:
    """All boards with two submissions or more, by protocol, and the names of the classes in their subsets."""
    comparable = [board for board in boards if len(board.rows) > 1]
    return {
        "facts": [{"key": column.key, "title": column.title} for column in FACTS],
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
