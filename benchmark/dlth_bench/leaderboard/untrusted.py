"""Reading files that a stranger wrote: plain files of bounded size, parsed as data and nothing else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.text_file import read_text_file

Model = TypeVar("Model", bound=BaseModel)

_MAX_DEPTH = 5
"""More than any metadata has."""


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
    """The model in a YAML file without aliases or deep nesting.

    Raises:
        InputError: with file and line, when it is not one.
    """
    text, source = read_text_file(path), printable(str(path))
    try:
        _refuse_tricks(text, source)
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
        _refuse(error, path, _line_of(text, error), model.__name__.lower())


def parse_json(model: type[Model], data: bytes, path: Path, line: int | None = None) -> Model:
    """The model in JSON text; ``path`` and ``line`` say where it came from.

    Raises:
        InputError: with file and line, when it is not one.
    """
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        _refuse(error, path, line, model.__name__.lower())


def _refuse_tricks(text: str, source: str) -> None:
    """Nested aliases make gigabytes out of a small file, and nested brackets make the parser slow."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        trick = "holds a YAML alias" if isinstance(event, yaml.AliasEvent) else "is nested too deeply"
        if isinstance(event, yaml.AliasEvent) or depth > _MAX_DEPTH:
            raise InputError(trick, source=source, line=event.start_mark.line + 1 if event.start_mark else None)


def _line_of(text: str, error: ValidationError) -> int | None:
    """The line of the top-level key that an error names."""
    location = error.errors(include_url=False, include_input=False)[0]["loc"]
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    if not location or not isinstance(node, yaml.MappingNode):
        return None
    return next((int(key.start_mark.line) + 1 for key, _ in node.value if key.value == location[0]), None)


def _refuse(error: ValidationError, path: Path, line: int | None, what: str) -> NoReturn:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or what
    raise InputError(printable(f"{where}: {first['msg']}"), source=printable(str(path)), line=line) from None
