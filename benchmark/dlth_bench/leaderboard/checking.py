"""Checking submissions as folders: all that is wrong with each, and whether another has the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlth_bench.leaderboard.findings import Finding, Invalid, findings_of
from dlth_bench.leaderboard.submissions import (
    FILES,
    METADATA,
    RESULTS,
    VERIFICATION,
    StoredSubmission,
    read_submission,
    visible_folders,
)
from dlth_bench.leaderboard.validation import content_findings, score_findings
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.quoting import printable, quoted

Step = Literal["files", "content", "score"]
"""How far a check came; each step needs the one before to find nothing that it rests on."""


@dataclass(frozen=True)
class Checked:
    """What the check of one folder found.

    Attributes:
        reached: the last step that could be taken.
        stored: the submission, if its files are valid.
    """

    folder: Path
    reached: Step
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
