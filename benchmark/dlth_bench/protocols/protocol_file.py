"""Protocols as files: YAML to read, and the lock that keeps a frozen one from changing."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from pydantic import ValidationError

from dlth_bench.protocols.extends import place_of, read_extended
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import shipped_folder
from dlth_bench.util.text import quoted

DEFAULT_PROTOCOL = "glyphs-ssl"
LOCK_NAME = "LOCK.json"
DRAFTS = "drafts"
"""Folder beside the lock with the protocols that may still change and are on no board."""
ANCHOR_PREFIX = "x-"
"""Top-level keys that start so hold YAML anchors and are not part of the protocol."""


def read_protocol(path: Path) -> Protocol:
    """The protocol in a YAML file, merged into the files that it ``extends``.

    Raises:
        InputError: with file and line, when a file is not YAML or they are no protocol together.
    """
    document, node = read_extended(path)
    if node is None or not isinstance(document, dict):
        raise InputError("a protocol is a mapping with keys such as name, data, configs", source=path)
    content = {key: value for key, value in document.items() if not str(key).startswith(ANCHOR_PREFIX)}
    try:
        return Protocol.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        location = (*first["loc"], *first.get("ctx", {}).get("at", ()))
        where = ".".join(str(part) for part in location) or "protocol"
        problem = first["msg"].removeprefix("Value error, ")
        source, line = place_of(node, location)
        raise InputError(f"{where}: {problem}", source=source, line=line) from None


def shipped_protocols() -> dict[str, Path]:
    """File of every protocol with a board that comes with the package, by its file's stem, e.g. ``glyphs-ssl@3``."""
    return _files(shipped_folder("protocols"))


def draft_protocols() -> dict[str, Path]:
    """File of every draft that comes with the package: it can be run, may still change, and is on no board."""
    return _files(shipped_folder("protocols") / DRAFTS)


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_protocol(name: str) -> Protocol:
    """A protocol by the path of its file, by name, or by ``name@version``.

    A name alone is its newest frozen version; one that is not frozen stands for its name only where no version is, and
    a draft only where nothing else has the name.

    Raises:
        InputError: there is none of that name; the message lists those there are.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        return read_protocol(Path(name))
    wanted, _, version = name.partition("@")
    for paths in (shipped_protocols(), draft_protocols()):
        matches = [found for found in _of_name(paths, wanted) if not version or str(found.version) == version]
        if matches:
            frozen = read_lock(shipped_folder("protocols"))
            return max(matches, key=lambda protocol: (protocol.key in frozen, protocol.version))
    raise _unknown(name, wanted)


def is_draft(protocol: Protocol) -> bool:
    """Whether a protocol is known as a draft alone, so that it has no board."""
    shipped, drafts = (
        {found.key for found in _of_name(paths, protocol.name)} for paths in (shipped_protocols(), draft_protocols())
    )
    return protocol.key in drafts - shipped


def _of_name(paths: dict[str, Path], name: str) -> list[Protocol]:
    """The protocols of that name, of any version."""
    return [read_protocol(path) for stem, path in paths.items() if stem.partition("@")[0] == name]


def _unknown(name: str, wanted: str) -> InputError:
    """The error of a name that no protocol has."""
    shipped, drafts = shipped_protocols(), draft_protocols()
    known = ", ".join(shipped) or "none"
    near = difflib.get_close_matches(wanted, [stem.partition("@")[0] for stem in (*shipped, *drafts)], n=1)
    guess = f"did you mean {quoted(near[0])}? The shipped ones" if near else "the shipped ones"
    more = f"; {len(drafts)} drafts: dlth-bench protocols list --drafts" if drafts else ""
    return InputError(f"no protocol {quoted(name)}; {guess}: {known}{more}; or give the path of a .yaml file")


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
