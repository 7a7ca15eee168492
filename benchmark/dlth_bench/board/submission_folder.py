"""Submissions as folders: written whole, read as untrusted input.

submissions/<protocol name>/<name>/submission.yaml   who, which protocol, which subset
                                   subset.txt        the IDs of its classes or samples
                                   results.jsonl     one result a line
                                   scorecard.json    their score
                                   verification.json what retraining some of them gave; written by others
"""

from __future__ import annotations

import difflib
import itertools
import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dlth_bench.board.submission import Finding, Invalid, Submission, findings_of, require_none
from dlth_bench.board.verification import Verification, claim_digest
from dlth_bench.datasets.registry import class_catalog, nameable_samples
from dlth_bench.runs.run import Result
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.subsets.subset import MAX_SUBSET_BYTES, Subset, parse_subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import read_text_file, write_atomically
from dlth_bench.util.text import printable, quoted, subset_size

Model = TypeVar("Model", bound=BaseModel)

_MAX_DEPTH = 5
"""More than any metadata has."""

_MAX_FINDINGS_OF_DOCUMENT = 20
"""Of one document; a list of a thousand wrong numbers is one mistake."""


def plain_file(path: Path, max_bytes: int) -> Path:
    """The path itself, once it is known to be a regular file (no link, device or pipe) of at most ``max_bytes``.

    Raises:
        InputError: it is not.
    """
    source = printable(str(path))
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise InputError("is missing", source=source) from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError("is not a plain file (links are not followed)", source=source)
    if status.st_size > max_bytes:
        raise InputError(f"has {status.st_size} bytes, more than the {max_bytes} it may have", source=source)
    return path


def real_folder(path: Path) -> Path:
    """The path itself, once it is known to be a folder and not a link to one.

    Raises:
        InputError: it is not.
    """
    if path.is_symlink():
        raise InputError("is a link, which is not followed", source=printable(str(path)))
    if not path.is_dir():
        raise InputError("is not a folder", source=printable(str(path)))
    return path


def parse_yaml(model: type[Model], path: Path) -> Model:
    """The model in a YAML file without aliases, tags, repeated keys or deep nesting.

    Raises:
        InputError: with file and line, when it is not YAML; `Invalid`, with all findings, when it is not the model.
    """
    text, source = read_text_file(path), printable(str(path))
    try:
        _refuse_tricks(text, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        require_none(Finding(path, f"{key} is given twice", field=key, line=line) for key, line in _repeated(node))
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = printable(str(getattr(error, "problem", None) or "cannot be read"))
        raise InputError(f"is not YAML: {problem}", source=source, line=mark.line + 1 if mark else None) from None
    except InputError:
        raise
    except ValueError:  # a date such as 2026-13-45
        raise InputError("is not YAML: a value cannot be read", source=source) from None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise Invalid(_findings(error, model, path, lambda field: _line_of(node, field))) from None


def parse_json(model: type[Model], data: bytes, path: Path, line: int | None = None) -> Model:
    """The model in JSON text without repeated keys; ``path`` and ``line`` say where it came from.

    Raises:
        Invalid: it is not one.
    """
    try:
        parsed = model.model_validate_json(data)
    except ValidationError as error:
        raise Invalid(_findings(error, model, path, lambda field: line)) from None
    try:
        repeated = _repeated_keys(data)
    except (ValueError, RecursionError):  # stricter than pydantic's parser with what stands behind a repeated key
        raise Invalid([Finding(path, "is not JSON: a value cannot be read", line=line)]) from None
    # Two readers may take two different values for a repeated key.
    require_none(Finding(path, f"{key} is given twice", field=key, line=line) for key in repeated)
    return parsed


def _refuse_tricks(text: str, source: str) -> None:
    """Nested aliases make gigabytes out of a small file, nested brackets make the parser slow, tags make objects."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        trick = ""
        if isinstance(event, yaml.AliasEvent):
            trick = "holds a YAML alias"
        elif getattr(event, "tag", None) is not None:
            trick = "is not YAML as submissions have it: it holds a tag"
        elif depth > _MAX_DEPTH:
            trick = "is nested too deeply"
        if trick:
            raise InputError(trick, source=source, line=event.start_mark.line + 1 if event.start_mark else None)


def _repeated(node: Any) -> Iterator[tuple[str, int]]:
    """Keys that a YAML mapping, or one within it, has twice, with the line of the second."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield quoted(str(key.value)), int(key.start_mark.line) + 1
            seen.add(str(key.value))
            yield from _repeated(value)


def _repeated_keys(data: bytes) -> list[str]:
    """Keys that an object of a JSON document has twice; the document is known to be valid."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        repeated.extend(quoted(key) for key, count in Counter(key for key, _ in pairs).items() if count > 1)

    json.loads(data, object_pairs_hook=note)
    return repeated[:_MAX_FINDINGS_OF_DOCUMENT]


def _line_of(node: Any, field: str | int) -> int | None:
    """The line of a top-level key."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((int(key.start_mark.line) + 1 for key, _ in node.value if key.value == field), None)


def _findings(
    error: ValidationError, model: type[BaseModel], path: Path, line_of: Callable[[str | int], int | None]
) -> Iterator[Finding]:
    for one in itertools.islice(error.errors(include_url=False), _MAX_FINDINGS_OF_DOCUMENT):
        location = one["loc"] or ("",)
        where = ".".join(str(part) for part in one["loc"]) or model.__name__.lower()
        problem = f"{where}: {one['msg']}{_instead_of(one)}"
        yield Finding(path, problem, _expected(model, one), where, line_of(location[0]))


def _instead_of(error: ErrorDetails) -> str:
    """``, not 61`` where the wrong value is short enough to be repeated."""
    value = error["input"]
    if error["type"] in {"missing", "extra_forbidden", "json_invalid"} or not isinstance(value, str | float | int):
        return ""
    try:
        return f", not {quoted(value, 40) if isinstance(value, str) else value}"
    except ValueError:  # an integer of thousands of digits
        return ""


def _expected(model: type[BaseModel], error: ErrorDetails) -> str:
    """What the model says of the field, or the field that was probably meant."""
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        near = difflib.get_close_matches(name, model.model_fields, n=1)
        return f"did you mean {quoted(near[0])}?" if near else ""
    known = model.model_fields.get(name)
    return "" if known is None or len(error["loc"]) > 1 else known.description or ""


_MAX_FINDINGS_OF_RESULTS = 100
"""Of one file of results."""


def read_json(model: type[Model], path: Path) -> Model:
    """The model in a JSON file.

    Raises:
        Invalid: it is not one.
    """
    return parse_json(model, path.read_bytes(), path)


def read_subset(path: Path, dataset: str) -> Subset:
    """The subset in a file, which must be in canonical form.

    Raises:
        InputError: it is not, or lists something else than classes or samples of the dataset.
    """
    text = read_text_file(path, MAX_SUBSET_BYTES)
    subset = parse_subset(text, class_catalog(dataset), samples=partial(nameable_samples, dataset), source=path)
    require_none(_strays(path, text, subset))
    return subset


def _strays(path: Path, text: str, subset: Subset) -> Iterator[Finding]:
    """The first line that is not as in the canonical form: the sorted IDs, after comments at the top."""
    lines = text.split("\n")
    comments = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    for number, (line, right) in enumerate(
        itertools.zip_longest(lines[comments:], subset.canonical_text().split("\n")), start=comments + 1
    ):
        if line != right:
            expected = "nothing" if not right else quoted(right, 120)
            problem = f"is not in canonical form: {'the file ends' if line is None else f'has {quoted(line)}'}"
            yield Finding(path, problem, f"here stands {expected}", line=number)
            return


def read_results(path: Path) -> tuple[Result, ...]:
    """The results in a file, one a line, of one run each.

    Raises:
        Invalid: with the findings of all lines, up to a hundred.
    """
    results: list[Result] = []
    found: list[Finding] = []
    first: dict[tuple[str, int], int] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(found) >= _MAX_FINDINGS_OF_RESULTS:
            found.append(Finding(path, "the lines from here on were not read", line=number))
            break
        try:
            result = parse_json(Result, line, path, number)
        except Invalid as error:
            found += error.findings
            continue
        cell = (result.config, result.seed)
        if cell in first:
            message = f"config {quoted(result.config)} seed {result.seed} stands on line {first[cell]} already"
            found.append(Finding(path, message, "each run has one result", "seed", number))
        first.setdefault(cell, number)
        results.append(result)
    require_none(found)
    return tuple(results)


METADATA, SUBSET, RESULTS, SCORECARD = "submission.yaml", "subset.txt", "results.jsonl", "scorecard.json"
VERIFICATION = "verification.json"
"""Written by those who verify; a submission may lack it."""

FILES = (METADATA, SUBSET, RESULTS, SCORECARD)
"""What every submission has."""

MAX_BYTES = {METADATA: 1 << 16, SUBSET: MAX_SUBSET_BYTES, RESULTS: 1 << 26, SCORECARD: 1 << 20, VERIFICATION: 1 << 20}
"""The files of a submission. Several times what the largest protocol leaves; more is a mistake or an attack."""

Content = TypeVar("Content")

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


def _attempt(path: Path | None, read: Callable[[Path], Content], found: list[Finding]) -> Content | None:
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
    for key in ("protocol", "protocol_digest", "subset_digest", "classes", "samples", "exponent"):
        yield from _unequal(folder / SCORECARD, key, getattr(scorecard, key), getattr(metadata, key))
    known = {score.config for score in scorecard.configs}
    for config in dict.fromkeys(result.config for result in stored.results):
        if config not in known:
            yield Finding(folder / RESULTS, f"config {quoted(config)} is not in the scorecard", field="config")


def _unequal(path: Path, key: str, found: object, expected: object) -> Iterator[Finding]:
    if found != expected:
        message = f"{key} is {quoted(str(found), 80)}, but the rest of the submission says {quoted(str(expected), 80)}"
        yield Finding(path, message, field=key)
