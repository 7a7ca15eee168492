"""Is a submission what its protocol asks for, and does its score follow from its results?

All that is wrong is found, in three steps, each of which needs the one before: the files (`submissions`), their content
under the protocol, the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dlth_bench.datasets.registry import nameable_samples
from dlth_bench.harness.grid import grid_runs
from dlth_bench.leaderboard.findings import Finding, findings_of, require_none
from dlth_bench.leaderboard.result_checks import result_findings
from dlth_bench.leaderboard.submissions import METADATA, RESULTS, SCORECARD, SUBSET, VERIFICATION, StoredSubmission
from dlth_bench.spec.admission import check_samples, check_subset
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.protocol_file import is_draft
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.verification import draw

_TOLERANCE = 1e-4
"""Below what a board shows, above what rounding does to resampled intervals from one machine to another."""

_FREE = ("package", "notes")
"""What another version of the scorer may say differently without another score."""


def check_submission(stored: StoredSubmission, protocol: Protocol) -> None:
    """Raise Invalid unless the submission is one under the protocol and its scorecard is what its results give.

    This finds mistakes and edited scores. Invented results it cannot find; that takes training again.
    """
    check_content(stored, protocol)
    require_none(score_findings(stored, protocol))


def check_content(stored: StoredSubmission, protocol: Protocol) -> None:
    """Raise Invalid unless everything but the score is as the protocol asks."""
    require_none(content_findings(stored, protocol))


def content_findings(stored: StoredSubmission, protocol: Protocol) -> Iterator[Finding]:
    """What is not as the protocol asks, the score apart."""
    metadata = stored.metadata
    path = stored.folder / METADATA
    if (metadata.protocol, metadata.protocol_digest) != (protocol.key, protocol.digest):
        problem = f"is of {metadata.protocol} with digest {metadata.protocol_digest}"
        # Nothing else can be said of results under another grid.
        yield Finding(path, problem, f"{protocol.key} has {protocol.digest}", "protocol_digest")
        return
    if is_draft(protocol):
        yield Finding(path, f"is of {protocol.key}, a draft, which may still change and has no board", field="protocol")
        return
    if metadata.dataset != protocol.data.dataset:
        problem = f"is of dataset {metadata.dataset}, but {protocol.key} is of {protocol.data.dataset}"
        yield Finding(path, problem, field="dataset")
        return
    yield from _subset_findings(stored, protocol)
    yield from _cell_findings(stored, protocol)
    yield from result_findings(stored.results, protocol, stored.subset, stored.folder / RESULTS)
    yield from _verification_findings(stored, protocol)


def _subset_findings(stored: StoredSubmission, protocol: Protocol) -> Iterator[Finding]:
    path = stored.folder / SUBSET
    try:
        check_subset(stored.subset, protocol, source=path)
        if stored.subset.unit == "sample":
            samples = nameable_samples(protocol.data.dataset, protocol.data.images_per_class)
            check_samples(stored.subset, samples, source=path)
    except InputError as error:
        yield from findings_of(error, path)


def _cell_findings(stored: StoredSubmission, protocol: Protocol) -> Iterator[Finding]:
    """Every run of the protocol has a result, or stands among those that are declared missing."""
    path = stored.folder / METADATA
    runs = [(run.config.name, run.seed) for run in grid_runs(protocol, stored.subset)]
    given = {(result.config, result.seed) for result in stored.results}
    declared = [(missing.config, missing.seed) for missing in stored.metadata.missing]
    for config, seed in runs:
        if (config, seed) not in given and (config, seed) not in declared:
            problem = f"config {quoted(config)} seed {seed} has no result"
            yield Finding(stored.folder / RESULTS, problem, f"train it, or declare it under missing in {METADATA}")
    for index, (config, seed) in enumerate(declared):
        label, field = f"missing: config {quoted(config)} seed {seed}", f"missing.{index}"
        if (config, seed) in given:
            yield Finding(path, f"{label} has a result", "leave it out", field)
        elif (config, seed) not in runs:
            yield Finding(path, f"{label} is not part of {protocol.key}", "leave it out", field)
        elif (config, seed) in declared[:index]:
            yield Finding(path, f"{label} is declared twice", "leave it out", field)


def _verification_findings(stored: StoredSubmission, protocol: Protocol) -> Iterator[Finding]:
    """A verification beside the submission is of these results, and of the cells that its nonce draws."""
    found, path = stored.verification, stored.folder / VERIFICATION
    if found is None:
        return
    if found.claim_digest != stored.claim_digest:
        yield Finding(path, "is of other results than these", "remove it, and verify again", "claim_digest")
        return
    claimed = {result.run: result for result in stored.results if result.status == "finished"}
    drawn = draw(list(claimed), found.nonce, found.claim_digest, len(found.cells))
    if tuple(cell.run for cell in found.cells) != drawn:
        yield Finding(path, "its cells are not those that its nonce draws", field="cells")
        return
    for index, cell in enumerate(found.cells):
        result = claimed[cell.run]
        if (cell.config, cell.seed, cell.claimed) != (result.config, result.seed, result.value(protocol.metric)):
            yield Finding(path, f"cell {index + 1} is not what the results claim", field=f"cells.{index}")


def score_findings(stored: StoredSubmission, protocol: Protocol) -> Iterator[Finding]:
    """Where the scorecard is not what the results give, more than rounding apart.

    Args:
        stored: with results that are those of the protocol's runs.
    """
    from dlth_bench.harness.scored import score_results  # numpy and scipy: not needed before

    path = stored.folder / SCORECARD
    try:
        expected = score_results(protocol, stored.subset, list(stored.results))
    except InputError as error:
        yield from findings_of(error, stored.folder / RESULTS)
        return
    for where, claimed, computed in _differences(stored.scorecard.model_dump(), expected.model_dump()):
        if where.partition(".")[0] not in _FREE:
            problem = f"{where} is {quoted(str(claimed))}, but the results give {quoted(str(computed))}"
            yield Finding(path, problem, "score it again", where)


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
