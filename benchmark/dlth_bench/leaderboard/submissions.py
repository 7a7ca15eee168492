"""Submissions as folders: written whole, read as untrusted input.

submissions/<protocol name>/<name>/submission.yaml   who, which protocol, which subset
                                   subset.txt        the IDs of its classes or samples
                                   results.jsonl     one result a line
                                   scorecard.json    their score
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.leaderboard.number_text import subset_size
from dlth_bench.leaderboard.untrusted import parse_json, parse_yaml, plain_file, real_folder
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.result import Result
from dlth_bench.spec.scorecard import Scorecard
from dlth_bench.spec.submission import Submission
from dlth_bench.spec.subset import Subset
from dlth_bench.spec.subset_file import MAX_SUBSET_BYTES, parse_subset
from dlth_bench.spec.text_file import read_text_file

METADATA, SUBSET, RESULTS, SCORECARD = "submission.yaml", "subset.txt", "results.jsonl", "scorecard.json"

MAX_BYTES = {METADATA: 1 << 16, SUBSET: MAX_SUBSET_BYTES, RESULTS: 1 << 26, SCORECARD: 1 << 20}
"""The files of a submission. Several times what the largest protocol leaves; more is a mistake or an attack."""


@dataclass(frozen=True)
class StoredSubmission:
    """A submission read from its folder; its parts are of one protocol and one subset."""

    metadata: Submission
    subset: Subset
    results: tuple[Result, ...]
    scorecard: Scorecard
    folder: Path


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
    _check_parts(StoredSubmission(metadata, subset, tuple(results), scorecard, folder))
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
    # First away and last back, so that a folder with metadata has everything else, of the same submission.
    (folder / METADATA).unlink(missing_ok=True)
    write_atomically(folder / SUBSET, (header + subset.canonical_text()).encode())
    write_atomically(folder / RESULTS, "".join(lines).encode())
    write_scorecard(folder, scorecard)
    write_atomically(folder / METADATA, yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode())


def write_scorecard(folder: Path, scorecard: Scorecard) -> None:
    """Write, or replace, the scorecard of a submission."""
    write_atomically(folder / SCORECARD, (scorecard.model_dump_json(exclude_defaults=True, indent=2) + "\n").encode())


def read_submission(folder: Path) -> StoredSubmission:
    """The submission in a folder. Nothing in it is executed, unpickled or followed out of the folder.

    Raises:
        InputError: with file and, where there is one, line: a link, an oversized, missing or foreign file,
            invalid content, or parts that are not of one protocol and one subset.
    """
    for entry in sorted(real_folder(folder).iterdir()):
        # Hidden files are what editors, systems and killed writers leave; they are never read.
        if entry.name not in MAX_BYTES and not entry.name.startswith("."):
            message = f"does not belong into a submission, which holds {', '.join(MAX_BYTES)}"
            raise InputError(message, source=printable(str(entry)))
    paths = {name: plain_file(folder / name, limit) for name, limit in MAX_BYTES.items()}
    metadata = parse_yaml(Submission, paths[METADATA])
    subset = _read_subset(paths[SUBSET], metadata.dataset)
    scorecard = parse_json(Scorecard, paths[SCORECARD].read_bytes(), paths[SCORECARD])
    submission = StoredSubmission(metadata, subset, _read_results(paths[RESULTS]), scorecard, folder)
    _check_parts(submission)
    return submission


def read_submissions(root: Path, protocol_name: str | None = None) -> list[StoredSubmission]:
    """All submissions below ``root``, of one protocol if it is named, by protocol and name; none without the folder.

    Raises:
        InputError: one of them is not valid; see ``read_submission``.
    """
    groups = [group for group in _folders(root) if protocol_name in (None, group.name)]
    return [read_submission(folder) for group in groups for folder in _folders(real_folder(group))]


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, links included so that they are refused; not hidden ones, nor files such as a README."""
    if not folder.is_dir():
        return []
    visible = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in visible if entry.is_symlink() or entry.is_dir())


def _read_subset(path: Path, dataset: str) -> Subset:
    text = read_text_file(path, MAX_SUBSET_BYTES)
    return parse_subset(text, class_catalog(dataset), samples=partial(sample_catalog, dataset), source=path)


def _read_results(path: Path) -> tuple[Result, ...]:
    results: list[Result] = []
    first: dict[tuple[str, int], int] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        result = parse_json(Result, line, path, number)
        cell = (result.config, result.seed)
        if cell in first:
            message = f"config {quoted(result.config)} seed {result.seed} stands on line {first[cell]} already"
            raise InputError(message, source=printable(str(path)), line=number)
        first[cell] = number
        results.append(result)
    return tuple(results)


def _check_parts(stored: StoredSubmission) -> None:
    """Folder, metadata, subset and scorecard speak of the same thing."""
    metadata, scorecard, folder = stored.metadata, stored.scorecard, stored.folder
    _require_equal(folder / METADATA, "name", metadata.name, folder.name)
    _require_equal(folder / METADATA, "protocol", metadata.protocol_name, folder.parent.name)
    _require_equal(folder / METADATA, "dataset", metadata.dataset, stored.subset.dataset)
    _require_equal(folder / METADATA, "classes", metadata.classes, len(stored.subset.class_ids))
    _require_equal(folder / METADATA, "samples", metadata.samples, stored.subset.samples)
    _require_equal(folder / METADATA, "subset_digest", metadata.subset_digest, stored.subset.digest)
    for key in ("protocol", "protocol_digest", "subset_digest", "classes", "samples"):
        _require_equal(folder / SCORECARD, key, getattr(scorecard, key), getattr(metadata, key))
    _require_known_configs(stored.results, [score.config for score in scorecard.configs], folder / RESULTS)


def _require_equal(path: Path, key: str, found: object, expected: object) -> None:
    if found != expected:
        message = f"{key} is {quoted(str(found), 80)}, but the rest of the submission says {quoted(str(expected), 80)}"
        raise InputError(message, source=printable(str(path)))


def _require_known_configs(results: Iterable[Result], known: Sequence[str], path: Path) -> None:
    for result in results:
        if result.config not in known:
            message = f"config {quoted(result.config)} is not in the scorecard"
            raise InputError(message, source=printable(str(path)))
