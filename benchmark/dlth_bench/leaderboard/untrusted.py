"""Reading files that a stranger wrote: plain files of bounded size, parsed as data and nothing else."""

from __future__ import annotations

import difflib
import itertools
import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dlth_bench.leaderboard.findings import Finding, Invalid, require_none
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.text_file import read_text_file

Model = TypeVar("Model", bound=BaseModel)

_MAX_DEPTH = 5
"""More than any metadata has."""

_MAX_FINDINGS = 20
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
    return repeated[:_MAX_FINDINGS]


def _line_of(node: Any, field: str | int) -> int | None:
    """The line of a top-level key."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((int(key.start_mark.line) + 1 for key, _ in node.value if key.value == field), None)


def _findings(
    error: ValidationError, model: type[BaseModel], path: Path, line_of: Callable[[str | int], int | None]
) -> Iterator[Finding]:
    for one in itertools.islice(error.errors(include_url=False), _MAX_FINDINGS):
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
