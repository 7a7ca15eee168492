"""Everything that is wrong with a submission: its files, their content, whether the score follows from the results.

All that is wrong is found, in three steps, each of which needs the one before: the files (`submissions`), their content
under the protocol, the score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dlth_bench.board.check_results import result_findings
from dlth_bench.board.submission import Finding, Invalid, findings_of, require_none
from dlth_bench.board.submission_folder import (
    FILES,
    METADATA,
    RESULTS,
    SCORECARD,
    SUBSET,
    VERIFICATION,
    StoredSubmission,
    read_submission,
    visible_folders,
)
from dlth_bench.board.verification import draw
from dlth_bench.datasets.registry import nameable_samples
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import is_draft
from dlth_bench.runs.plan import check_samples, check_subset, grid_runs
from dlth_bench.runs.score import score_results
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

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
    if metadata.exponent not in protocol.exponents:
        known = ", ".join(f"{exponent:g}" for exponent in protocol.exponents)
        yield Finding(path, f"has exponent {metadata.exponent:g}", f"{protocol.key} takes {known}", "exponent")
        return
    yield from _subset_findings(stored, protocol)
    yield from _cell_findings(stored, protocol)
    yield from result_findings(stored.results, protocol, stored.subset, stored.folder / RESULTS, metadata.exponent)
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
    runs = [
        (run.config.name, run.seed) for run in grid_runs(protocol, stored.subset, exponent=stored.metadata.exponent)
    ]
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
    path = stored.folder / SCORECARD
    try:
        expected = score_results(protocol, stored.subset, list(stored.results), stored.metadata.exponent)
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


CheckStep = Literal["files", "content", "score"]
"""How far a check came; each step needs the one before to find nothing that it rests on."""


@dataclass(frozen=True)
class Checked:
    """What the check of one folder found.

    Attributes:
        reached: the last step that could be taken.
        stored: the submission, if its files are valid.
    """

    folder: Path
    reached: CheckStep
    findings: tuple[Finding, ...]
    stored: StoredSubmission | None = None

    @property
    def valid(self) -> bool:
        return not self.findings

    def document(self) -> dict[str, object]:
        """For a machine to read."""
        return {
            "submission": printable(str(self.folder), 400),
            "valid": self.valid,
            "reached": self.reached,
            "findings": [finding.document() for finding in self.findings],
        }


def submission_folders(path: Path) -> list[Path]:
    """The submissions that a path names: itself, those of a protocol's folder, or those of a root.

    Raises:
        InputError: it is no folder, or holds no submission.
    """
    if path.is_symlink() or not path.is_dir():
        told = "is a link, which is not followed" if path.is_symlink() else "no such folder"
        raise InputError(f"{told}; name a submission, or a folder that holds submissions", source=printable(str(path)))
    if _holds_a_file(path):
        return [path]
    inner = visible_folders(path)
    if not any(_holds_a_file(folder) for folder in inner):
        inner = [folder for group in inner for folder in ([group] if group.is_symlink() else visible_folders(group))]
    if not inner:
        raise InputError("holds no submission", source=printable(str(path)))
    return inner


def _holds_a_file(folder: Path) -> bool:
    return not folder.is_symlink() and any((folder / name).exists() for name in FILES)


def check_folder(folder: Path, find: Callable[[str], Protocol], *, new: bool = False) -> Checked:
    """Everything that is wrong with the submission in a folder, taken for itself.

    Args:
        find: gives the protocol of a key, or raises InputError.
        new: it was not verified yet, so that a verification in it is its submitter's own.
    """
    try:
        stored = read_submission(folder)
    except Invalid as error:
        return Checked(folder, "files", error.findings)
    try:
        protocol = find(stored.metadata.protocol)
    except InputError as error:
        found = [Finding(folder / METADATA, one.problem, field="protocol") for one in findings_of(error, folder)]
        return Checked(folder, "files", tuple(found), stored)
    findings = list(content_findings(stored, protocol))
    if new and stored.verification is not None:
        problem = "a submission does not verify itself"
        findings.append(Finding(folder / VERIFICATION, problem, "remove it; a maintainer adds one"))
    if any(finding.field in _UNSCORABLE for finding in findings):
        return Checked(folder, "content", tuple(findings), stored)
    return Checked(folder, "score", (*findings, *score_findings(stored, protocol)), stored)


_UNSCORABLE = frozenset({"protocol_digest", "dataset", "config", "run", "manifest_digest"})
"""Fields of findings after which the results are not those of the protocol's runs."""


def with_duplicates(checked: Sequence[Checked], others: Iterable[StoredSubmission]) -> list[Checked]:
    """The same, each with what it has in common with another submission.

    Of two that are checked together the later one is the copy; of one that is not checked, this one is.

    Args:
        others: submissions that stand already and are not checked themselves.
    """
    standing = list(others)
    together = sorted((one.stored for one in checked if one.stored is not None), key=_age)
    return [
        one
        if one.stored is None
        else Checked(one.folder, one.reached, (*one.findings, *_duplicates(one.stored, standing, together)), one.stored)
        for one in checked
    ]


def _duplicates(
    stored: StoredSubmission, standing: Sequence[StoredSubmission], together: Sequence[StoredSubmission]
) -> Iterator[Finding]:
    earlier = [*standing, *(other for other in together if _age(other) < _age(stored))]
    for other in earlier:
        if _accuracies(other) == _accuracies(stored) and other.metadata.name != stored.metadata.name:
            problem = f"has the results of {quoted(other.metadata.name)} under another name"
            yield Finding(stored.folder / RESULTS, problem, "a subset stands once on a board")


def _accuracies(stored: StoredSubmission) -> tuple[object, ...]:
    """Protocol, subset and every accuracy: what two independent submissions do not have in common."""
    cells = sorted((result.config, result.seed, result.class_accuracy) for result in stored.results)
    return stored.metadata.protocol_digest, stored.metadata.subset_digest, *cells


def _age(stored: StoredSubmission) -> tuple[str, str]:
    return stored.metadata.date.isoformat(), stored.metadata.name


def neighbours(folders: Iterable[Path]) -> Iterator[StoredSubmission]:
    """The readable submissions beside the given ones, themselves left out."""
    own = {folder.absolute() for folder in folders}
    for parent in sorted({folder.parent for folder in own}):
        for folder in visible_folders(parent):
            if folder.absolute() not in own and _holds_a_file(folder):
                try:
                    yield read_submission(folder)
                except InputError:  # its own check says what is wrong with it
                    continue
