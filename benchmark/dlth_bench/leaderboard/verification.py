"""Is a submission what its protocol asks for, and does its score follow from its results?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dlth_bench.datasets.registry import sample_catalog
from dlth_bench.harness.grid import grid_runs
from dlth_bench.leaderboard.submissions import METADATA, RESULTS, SCORECARD, SUBSET, StoredSubmission
from dlth_bench.spec.admission import check_samples, check_subset
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.pruning import PruningSpec, TicketFacts
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run

_TOLERANCE = 1e-4
"""Below what a board shows, above what rounding does to resampled intervals from one machine to another."""

_FREE = ("package", "notes")
"""What another version of the scorer may say differently without another score."""


def check_submission(stored: StoredSubmission, protocol: Protocol) -> None:
    """Raise InputError unless the submission is one under the protocol and its scorecard is what its results give.

    This finds mistakes and edited scores. Invented results it cannot find; that takes training again.
    """
    check_content(stored, protocol)
    _check_score(stored, protocol)


def check_content(stored: StoredSubmission, protocol: Protocol) -> None:
    """Raise InputError unless everything but the score is as the protocol asks."""
    metadata, folder = stored.metadata, stored.folder
    if (metadata.protocol, metadata.protocol_digest) != (protocol.key, protocol.digest):
        message = (
            f"is of {metadata.protocol} with digest {metadata.protocol_digest}; {protocol.key} has {protocol.digest}"
        )
        raise InputError(message, source=printable(str(folder / METADATA)))
    if metadata.dataset != protocol.data.dataset:
        message = f"is of dataset {metadata.dataset}, but {protocol.key} is of {protocol.data.dataset}"
        raise InputError(message, source=printable(str(folder / METADATA)))
    check_subset(stored.subset, protocol, source=folder / SUBSET)
    if stored.subset.unit == "sample":
        samples = sample_catalog(protocol.data.dataset, protocol.data.images_per_class)
        check_samples(stored.subset, samples, source=folder / SUBSET)
    _check_runs(stored, protocol)


def _check_runs(stored: StoredSubmission, protocol: Protocol) -> None:
    """Every result is of a run of the protocol on this subset: its digest says so."""
    source = printable(str(stored.folder / RESULTS))
    runs = {(run.config.name, run.seed): run for run in grid_runs(protocol, stored.subset)}
    for result in stored.results:
        run = runs.get((result.config, result.seed))
        label = f"config {quoted(result.config)} seed {result.seed}"
        if run is None:
            raise InputError(f"{label} is not part of {protocol.key}", source=source)
        if result.run != run.digest:
            raise InputError(f"{label} is a result of another run than this subset's", source=source)
        if result.status == "finished":
            problem = _implausible(result, run)
            if problem:
                raise InputError(f"{label}: {problem}", source=source)


def _implausible(result: Result, run: Run) -> str:
    """What in a finished result contradicts itself or its run; empty when nothing does."""
    classes, counts = len(run.class_ids), result.class_counts
    if not len(result.class_accuracy) == len(counts) == classes:
        return f"has {len(result.class_accuracy)} class accuracies and {len(counts)} counts for {classes} classes"
    hits = sum(accuracy * count for accuracy, count in zip(result.class_accuracy, counts, strict=True))
    if not counts or not sum(counts) or abs(hits / sum(counts) - (result.accuracy or 0.0)) > _TOLERANCE:
        return "its accuracy is not the mean of its class accuracies"
    problem = _implausible_ticket(result.ticket, run.config.pruning)
    if problem:
        return problem
    images = run.images_seen
    if images is not None and result.cost is not None and result.cost.images != images:
        return f"saw {result.cost.images} images in training, the run takes {images}"
    return ""


def _implausible_ticket(ticket: TicketFacts | None, pruning: PruningSpec | None) -> str:
    if ticket is None or pruning is None:
        if ticket is not None:
            return "has a ticket, but its config does not prune"
        return "" if pruning is None else "lacks the ticket that its config is to find"
    live = pruning.live_after(pruning.rounds, ticket.prunable_weights)
    if (ticket.live_weights, len(ticket.levels)) != (live, pruning.levels):
        told = f"{ticket.live_weights} of {ticket.prunable_weights} weights after {len(ticket.levels)} levels"
        return f"its ticket has {told}, the config leaves {live} after {pruning.levels}"
    return ""


def _check_score(stored: StoredSubmission, protocol: Protocol) -> None:
    from dlth_bench.harness.scored import score_results  # numpy and scipy: not needed before

    expected = score_results(protocol, stored.subset, list(stored.results))
    for where, claimed, computed in _differences(stored.scorecard.model_dump(), expected.model_dump()):
        if where.partition(".")[0] not in _FREE:
            message = f"{where} is {quoted(str(claimed))}, but the results give {quoted(str(computed))}; score it again"
            raise InputError(message, source=printable(str(stored.folder / SCORECARD)))


def _differences(claimed: Any, computed: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Places where two nested values differ by more than rounding."""
    if isinstance(claimed, dict) and isinstance(computed, dict):
        for key in {**claimed, **computed}:
            path = f"{where}.{key}" if where else str(key)
            yield from _differences(claimed.get(key), computed.get(key), path)
    elif isinstance(claimed, tuple) and isinstance(computed, tuple) and len(claimed) == len(computed):
        for index, (one, other) in enumerate(zip(claimed, computed, strict=True)):
            yield from _differences(one, other, f"{where}.{index}")
    elif isinstance(claimed, float) and isinstance(computed, float):
        if not math.isclose(claimed, computed, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield where, claimed, computed
    elif claimed != computed:
        yield where, claimed, computed
