"""Submissions as folders: written whole, read as untrusted input.

submissions/<protocol name>/<name>/submission.yaml   who, which protocol, which subset
                                   subset.txt        the IDs of its classes or samples
                                   results.jsonl     one result a line
                                   scorecard.json    their score
                                   verification.json what retraining some of them gave; written by others
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import yaml

from dlth_bench.leaderboard.findings import Finding, Invalid, findings_of, require_none
from dlth_bench.leaderboard.number_text import subset_size
from dlth_bench.leaderboard.submitted_files import read_json, read_results, read_subset
from dlth_bench.leaderboard.untrusted import parse_yaml, plain_file, real_folder
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.result import Result
from dlth_bench.spec.scorecard import Scorecard
from dlth_bench.spec.submission import Submission
from dlth_bench.spec.subset import Subset
from dlth_bench.spec.subset_file import MAX_SUBSET_BYTES
from dlth_bench.spec.verification import Verification, claim_digest

METADATA, SUBSET, RESULTS, SCORECARD = "submission.yaml", "subset.txt", "results.jsonl", "scorecard.json"
VERIFICATION = "verification.json"
"""Written by those who verify; a submission may lack it."""

FILES = (METADATA, SUBSET, RESULTS, SCORECARD)
"""What every submission has."""

MAX_BYTES = {METADATA: 1 << 16, SUBSET: MAX_SUBSET_BYTES, RESULTS: 1 << 26, SCORECARD: 1 << 20, VERIFICATION: 1 << 20}
"""The files of a submission. Several times what the largest protocol leaves; more is a mistake or an attack."""

Part = TypeVar("Part")

Status = Literal["self-reported", "verified", "disputed"]
"""Whether anybody but the submitter has retrained runs of a submission, and with what outcome."""


@dataclass(frozen=True)
class StoredSubmission:
    """A submission read from its folder; its parts are of one protocol and one subset."""

    metadata: Submission
    subset: Subset
    results: tuple[Result, ...]
    scorecard: Scorecard
    folder: Path
    verification: Verification | None = None

    @property
    def claim_digest(self) -> str:
        """Names what is claimed; see `spec.verification.claim_digest`."""
        return claim_digest(self.metadata.protocol_digest, self.metadata.subset_digest, self.results)

    @property
    def status(self) -> Status:
        """What is known beyond the submitter's word; an inconclusive verification leaves it at that."""
        if self.verification is None or self.verification.verdict == "inconclusive":
            return "self-reported"
        return self.verification.verdict


def write_submission(
    folder: Path,
    metadata: Submission,
    subset: Subset,
    results: Sequence[Result],
    scorecard: Scorecard,
    *,
    replace: bool = False,
) -> None:
    """Write a submission, or replace one of the same subset.

    Args:
        folder: ``submissions/<protocol name>/<name>``.
        replace: also replace a submission of another subset.

    Raises:
        InputError: the folder is a link or a file, or holds a submission of another subset; the parts do not match.
    """
    require_none(_mismatches(StoredSubmission(metadata, subset, tuple(results), scorecard, folder)))
    for existing in (folder.parent, folder):
        if existing.is_symlink() or existing.exists():
            real_folder(existing)
    if not replace and (folder / METADATA).exists():
        before = parse_yaml(Submission, plain_file(folder / METADATA, MAX_BYTES[METADATA]))
        if before.subset_digest != metadata.subset_digest:
            other = subset_size(before.classes, before.samples)
            message = f"holds a submission of another subset ({other}); choose another name"
            raise InputError(message, source=printable(str(folder)))
    header = f"# {subset.counted} of {subset.dataset}, submission {metadata.name}\n"
    lines = [result.model_dump_json(exclude_defaults=True) + "\n" for result in results]
    document = metadata.model_dump(mode="json", exclude_defaults=True)
    _drop_verification_of_others(folder, claim_digest(metadata.protocol_digest, metadata.subset_digest, results))
    # First away and last back, so that a folder with metadata has everything else, of the same submission.
    (folder / METADATA).unlink(missing_ok=True)
    write_atomically(folder / SUBSET, (header + subset.canonical_text()).encode())
    write_atomically(folder / RESULTS, "".join(lines).encode())
    write_scorecard(folder, scorecard)
    write_atomically(folder / METADATA, yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode())


def _drop_verification_of_others(folder: Path, claim: str) -> None:
    """A verification says nothing of results that have changed since."""
    path = folder / VERIFICATION
    if path.is_symlink() or path.exists():
        try:
            kept = read_json(Verification, plain_file(path, MAX_BYTES[VERIFICATION])).claim_digest == claim
        except InputError:
            kept = False
        if not kept:
            path.unlink()


def write_verification(folder: Path, verification: Verification) -> None:
    """Write, or replace, what a verification of a submission found."""
    document = verification.model_dump_json(exclude_defaults=True, indent=2)
    write_atomically(folder / VERIFICATION, (document + "\n").encode())


def write_scorecard(folder: Path, scorecard: Scorecard) -> None:
    """Write, or replace, the scorecard of a submission."""
    write_atomically(folder / SCORECARD, (scorecard.model_dump_json(exclude_defaults=True, indent=2) + "\n").encode())


def read_submission(folder: Path) -> StoredSubmission:
    """The submission in a folder. Nothing in it is executed, unpickled or followed out of the folder.

    Raises:
        Invalid: with everything that is wrong with its files, and where: a link, an oversized, missing or foreign
            file, invalid content, or parts that are not of one protocol and one subset.
    """
    found: list[Finding] = []
    paths = _paths(folder, found)
    metadata = _attempt(paths[METADATA], partial(parse_yaml, Submission), found)
    subset = None
    if metadata is not None:
        subset = _attempt(paths[SUBSET], partial(read_subset, dataset=metadata.dataset), found)
    results = _attempt(paths[RESULTS], read_results, found)
    scorecard = _attempt(paths[SCORECARD], partial(read_json, Scorecard), found)
    verification = _attempt(paths[VERIFICATION], partial(read_json, Verification), found)
    if metadata is None or subset is None or results is None or scorecard is None:
        raise Invalid(found)
    submission = StoredSubmission(metadata, subset, results, scorecard, folder, verification)
    require_none([*found, *_mismatches(submission)])
    return submission


def read_submissions(root: Path, protocol_name: str | None = None) -> list[StoredSubmission]:
    """All submissions below ``root``, of one protocol if it is named, by protocol and name; none without the folder.

    Raises:
        InputError: one of them is not valid; see ``read_submission``.
    """
    groups = [group for group in visible_folders(root) if protocol_name in (None, group.name)]
    return [read_submission(folder) for group in groups for folder in visible_folders(real_folder(group))]


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder, links included so that they are refused; not hidden ones, nor files such as a README."""
    if not folder.is_dir():
        return []
    visible = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in visible if entry.is_symlink() or entry.is_dir())


def _paths(folder: Path, found: list[Finding]) -> dict[str, Path | None]:
    """The plain files of a submission by name; None for one that may not be read."""
    try:
        entries = sorted(real_folder(folder).iterdir())
    except InputError as error:
        raise Invalid(findings_of(error, folder)) from None
    for entry in entries:
        # Hidden files are what editors, systems and killed writers leave; they are never read.
        if entry.name not in MAX_BYTES and not entry.name.startswith("."):
            found.append(Finding(entry, f"does not belong into a submission, which holds {', '.join(MAX_BYTES)}"))
    present = {entry.name for entry in entries}
    wanted = [name for name in MAX_BYTES if name != VERIFICATION or name in present]
    plain = {name: _attempt(folder / name, partial(plain_file, max_bytes=MAX_BYTES[name]), found) for name in wanted}
    return dict.fromkeys(MAX_BYTES) | plain


def _attempt(path: Path | None, read: Callable[[Path], Part], found: list[Finding]) -> Part | None:
    """What ``read`` makes of a file; None, with its findings, when it is not valid."""
    if path is None:
        return None
    try:
        return read(path)
    except InputError as error:
        found.extend(findings_of(error, path))
        return None


def _mismatches(stored: StoredSubmission) -> Iterator[Finding]:
    """Where folder, metadata, subset and scorecard do not speak of the same thing."""
    metadata, scorecard, folder = stored.metadata, stored.scorecard, stored.folder
    of_metadata = (
        ("name", metadata.name, folder.name),
        ("protocol", metadata.protocol_name, folder.parent.name),
        ("dataset", metadata.dataset, stored.subset.dataset),
        ("classes", metadata.classes, len(stored.subset.class_ids)),
        ("samples", metadata.samples, stored.subset.samples),
        ("subset_digest", metadata.subset_digest, stored.subset.digest),
    )
    for key, found, expected in of_metadata:
        yield from _unequal(folder / METADATA, key, found, expected)
    for key in ("protocol", "protocol_digest", "subset_digest", "classes", "samples"):
        yield from _unequal(folder / SCORECARD, key, getattr(scorecard, key), getattr(metadata, key))
    known = {score.config for score in scorecard.configs}
    for config in dict.fromkeys(result.config for result in stored.results):
        if config not in known:
            yield Finding(folder / RESULTS, f"config {quoted(config)} is not in the scorecard", field="config")


def _unequal(path: Path, key: str, found: object, expected: object) -> Iterator[Finding]:
    if found != expected:
        message = f"{key} is {quoted(str(found), 80)}, but the rest of the submission says {quoted(str(expected), 80)}"
        yield Finding(path, message, field=key)
