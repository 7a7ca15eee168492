"""Protocols as files: YAML to read, and the lock that keeps a frozen one from changing."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dlth_bench.shipped import shipped_folder
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.text_file import read_text_file

LOCK_NAME = "LOCK.json"
ANCHOR_PREFIX = "x-"
"""Top-level keys that start so hold YAML anchors and are not part of the protocol."""


def read_protocol(path: Path) -> Protocol:
    """The protocol in a YAML file.

    Raises:
        InputError: with file and line, when the file is not YAML or not a protocol.
    """
    text = read_text_file(path)
    try:
        document = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be read"
        raise InputError(f"not YAML: {problem}", source=path, line=mark.line + 1 if mark else None) from None
    except (ValueError, RecursionError) as error:  # a date such as 2026-13-01; a thousand brackets
        raise InputError(f"not YAML: {error}", source=path) from None
    if not isinstance(document, dict):
        raise InputError("a protocol is a mapping with keys such as name, data, configs", source=path)
    content = {key: value for key, value in document.items() if not str(key).startswith(ANCHOR_PREFIX)}
    try:
        return Protocol.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        location = (*first["loc"], *first.get("ctx", {}).get("at", ()))
        where = ".".join(str(part) for part in location) or "protocol"
        problem = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{where}: {problem}", source=path, line=_line_of(node, location)) from None


def _line_of(node: Any, location: Sequence[str | int]) -> int:
    """The 1-based line of the key or list item a validation error names; the deepest part of its path that exists."""
    line = node.start_mark.line
    for part in location:
        inner = next((pair for pair in _pairs(node) if pair[0] == part), None)
        if inner is not None:  # parts that pydantic adds, such as a union's tag, are not in the file
            _, line, node = inner
    return int(line) + 1


def _pairs(node: Any) -> Iterator[tuple[str | int, int, Any]]:
    """Key or index, 0-based line and value node of what a YAML node holds, merged mappings (``<<``) included."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((index, item.start_mark.line, item) for index, item in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        yield from ((key.value, key.start_mark.line, value) for key, value in node.value)
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                yield from _pairs(value)


def shipped_protocols() -> dict[str, Path]:
    """File of every protocol that comes with the package, by its file's stem, e.g. ``glyphs-ssl``."""
    return {path.stem: path for path in sorted(shipped_folder("protocols").glob("*.yaml"))}


def find_protocol(name: str) -> Protocol:
    """A protocol by the path of its file, by name, or by ``name@version``.

    A name alone is its newest frozen version; a draft stands for its name only where no version is frozen.

    Raises:
        InputError: there is none of that name; the message lists those there are.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        return read_protocol(Path(name))
    wanted, _, version = name.partition("@")
    paths = shipped_protocols()
    matches = [read_protocol(path) for stem, path in paths.items() if stem.partition("@")[0] == wanted]
    matches = [protocol for protocol in matches if not version or str(protocol.version) == version]
    if not matches:
        known = ", ".join(paths) or "none"
        near = difflib.get_close_matches(wanted, [stem.partition("@")[0] for stem in paths], n=1)
        guess = f"did you mean {quoted(near[0])}? The shipped ones" if near else "the shipped ones"
        raise InputError(f"no protocol {quoted(name)}; {guess}: {known}; or give the path of a .yaml file")
    frozen = read_lock(shipped_folder("protocols"))
    return max(matches, key=lambda protocol: (protocol.key in frozen, protocol.version))


def reference_results_path(protocol: Protocol) -> Path:
    """Where the package keeps the results behind a protocol's reference, one JSON a line."""
    return shipped_folder("protocols") / "references" / f"{protocol.key}.jsonl"


def read_lock(folder: Path) -> dict[str, str]:
    """Digest of every locked protocol by ``name@version``."""
    path = folder / LOCK_NAME
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"not JSON: {error}", source=path) from None
    if not isinstance(lock, dict):
        raise InputError("must map name@version to a digest", source=path)
    return {str(key): str(value) for key, value in lock.items()}


def lock_state(protocol: Protocol, lock: dict[str, str]) -> str:
    """``locked``, ``not locked``, or ``changed`` when it differs from what was frozen."""
    if protocol.key not in lock:
        return "not locked"
    return "locked" if lock[protocol.key] == protocol.digest else "changed"
