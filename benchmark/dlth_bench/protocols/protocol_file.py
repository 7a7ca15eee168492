"""Protocol files: YAML, parts shared by ``extends:``, the shipped ones by name, and the lock that keeps them.

A file's own values win over those of its bases, a later base wins over an earlier one. Mappings are merged key by key,
everything else is replaced, lists as a whole. Anchors of a base can be used as if they stood in the file itself.

Files are merged as YAML nodes, which know their file and line; so an error still names the place of the wrong value.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.sweep import Levels, Sweep
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import is_file, read_text_file, shipped_folder
from dlth_bench.util.text import quoted

EXTENDS = "extends"
MAX_BASES = 16
"""Bases of a file in all, those of its bases included: a file of a few lines cannot make the reader read for hours."""

_MERGE_TAG = "tag:yaml.org,2002:merge"
_NULL_TAG = "tag:yaml.org,2002:null"

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

Location = Sequence[str | int]
"""The path of a value in a document: keys and indices."""


def read_extended(path: Path) -> tuple[Any, yaml.Node | None]:
    """The document in a YAML file merged into its bases, and the node it was made from; None for an empty file.

    Raises:
        InputError: with file and line: not YAML; a base that is missing, no mapping or not named by a relative path
            of a YAML file; bases that extend each other; more than ``MAX_BASES`` of them.
    """
    node = _Reader().read(path, above=()).node
    return (None if node is None else _built(node, str(path))), node


def place_of(node: yaml.Node, location: Location) -> tuple[str, int]:
    """File and 1-based line of the key or list item at ``location``, or of the deepest part of it that exists."""
    mark = node.start_mark
    for part in location:
        inner = next((pair for pair in _pairs(node) if pair[0] == part), None)
        if inner is not None:  # parts that pydantic adds, such as a union's tag, are not in the file
            _, mark, node = inner
    return str(mark.name), int(mark.line) + 1


def _pairs(node: yaml.Node) -> Iterator[tuple[str | int, Any, yaml.Node]]:
    """Key or index, mark and value of what a node holds."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((index, item.start_mark, item) for index, item in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        yield from ((key.value, key.start_mark, value) for key, value in node.value)


class _File(NamedTuple):
    """A file merged into its bases.

    Attributes:
        node: the merged document without ``<<`` and ``extends``; None for an empty file.
        anchors: the nodes that a file which extends this one may use, by anchor.
    """

    node: yaml.Node | None
    anchors: Mapping[str, yaml.Node]


class _Reader:
    """Reads one file and its bases, and counts these."""

    def __init__(self) -> None:
        self.bases = 0

    def read(self, path: Path, above: tuple[Path, ...]) -> _File:
        """A file merged into its bases; ``above`` are the files that extend this one, itself not included."""
        text, source = read_text_file(path), str(path)
        named = _named_bases(text, source) if EXTENDS in text else []
        bases = [self._base(path, name, line, (*above, path)) for name, line in named]
        anchors = {anchor: node for base in bases for anchor, node in base.anchors.items()}
        loader = _Loader(text, source, anchors)
        node = _checked(loader.get_single_node, source)
        if node is None:
            return _File(None, {})
        _checked(lambda: _resolve_merge_keys(node, source, {}), source)
        _built(node, source)  # what cannot be built is said to be of this file, not of one that extends it
        if isinstance(node, yaml.MappingNode):
            node.value = [(key, value) for key, value in node.value if key.value != EXTENDS]
        nodes = [*(base.node for base in bases if base.node is not None), node]
        return _File(reduce(lambda base, own: _merged(base, own, {}), nodes), anchors | loader.found)

    def _base(self, path: Path, name: str, line: int, above: tuple[Path, ...]) -> _File:
        def wrong(problem: str) -> InputError:
            return InputError(f"{EXTENDS}: {quoted(name, 120)} {problem}", source=path, line=line)

        base = path.parent / name
        if Path(name).is_absolute() or Path(name).suffix not in {".yaml", ".yml"}:
            raise wrong("is not the path of a .yaml file relative to this one")
        if not is_file(base):
            raise wrong("is no file; paths are relative to this one")
        if base.resolve() in {file.resolve() for file in above}:
            raise wrong("extends this file in turn")
        self.bases += 1
        if self.bases > MAX_BASES:
            raise wrong(f"is one base too many; at most {MAX_BASES} in all")
        found = self.read(base, above)
        if not isinstance(found.node, yaml.MappingNode):
            raise wrong("is no mapping, so that nothing can be merged with it")
        return found


class _Loader(yaml.SafeLoader):
    """Composes one document, in which anchors of its bases can be used; its marks name the file.

    Attributes:
        found: the nodes of the file's own anchors.
    """

    def __init__(self, text: str, source: str, inherited: Mapping[str, yaml.Node] | None) -> None:
        super().__init__(text)
        self.name = source
        self.inherited = inherited
        self.found: dict[str, yaml.Node] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As YAML does; without ``inherited``, an alias is an empty value."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias and event.anchor not in self.anchors:
            known = self._inherited(event)
            if known is not None:
                self.get_event()  # type: ignore[no-untyped-call]
                return known
        node = super().compose_node(parent, index)
        if not is_alias and event.anchor is not None and node is not None:
            self.found[event.anchor] = node
        return node

    def _inherited(self, alias: Any) -> yaml.Node | None:
        if self.inherited is None:
            return yaml.ScalarNode(_NULL_TAG, "", alias.start_mark, alias.end_mark)
        return self.inherited.get(alias.anchor)


def _named_bases(text: str, source: str) -> list[tuple[str, int]]:
    """The bases that a text names, each with its line; found before the text's aliases can be looked up."""
    outline = _checked(_Loader(text, source, None).get_single_node, source)
    found = [] if outline is None else [value for key, _, value in _pairs(outline) if key == EXTENDS]
    if not isinstance(outline, yaml.MappingNode) or not found:
        return []
    items = found[-1].value if isinstance(found[-1], yaml.SequenceNode) else [found[-1]]
    for item in items or found:
        if not isinstance(item, yaml.ScalarNode) or not item.value:
            line = item.start_mark.line + 1
            raise InputError(f"{EXTENDS}: must be the path of a file, or a list of paths", source=source, line=line)
    return [(item.value, item.start_mark.line + 1) for item in items]


def _checked(compose: Callable[[], T], source: str) -> T:
    """What ``compose`` returns.

    Raises:
        InputError: it is not YAML.
    """
    try:
        return compose()
    except InputError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be read"
        place = (source, None) if mark is None else (mark.name, mark.line + 1)
        raise InputError(f"not YAML: {problem}", source=place[0], line=place[1]) from None
    except (ValueError, RecursionError) as error:  # a date such as 2026-13-01; a thousand brackets
        raise InputError(f"not YAML: {error}", source=source) from None


def _built(node: yaml.Node, source: str) -> Any:
    """The values of a node."""
    return _checked(lambda: yaml.SafeLoader("").construct_document(node), source)


def _resolve_merge_keys(node: yaml.Node, source: str, done: dict[int, bool]) -> None:
    """Put the pairs that ``<<`` stands for in its place, in all mappings, so that a base's value cannot win over them.

    Args:
        done: the nodes seen, by identity; False where they are not finished.

    Raises:
        InputError: a node holds itself, or ``<<`` merges something that is no mapping.
    """
    if not done.get(id(node), True):
        raise InputError("not YAML: an anchor holds itself", source=source, line=node.start_mark.line + 1)
    if id(node) in done:
        return
    done[id(node)] = False
    for _, _, inner in _pairs(node):
        _resolve_merge_keys(inner, source, done)
    if isinstance(node, yaml.MappingNode):
        merged = [pair for key, value in node.value if key.tag == _MERGE_TAG for pair in _merge_key_pairs(value)]
        node.value = _last_of_each([*merged, *((key, value) for key, value in node.value if key.tag != _MERGE_TAG)])
    done[id(node)] = True


def _merge_key_pairs(value: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    """The pairs of what stands after ``<<``: of a mapping, or of a list of mappings of which the first wins."""
    parts = value.value[::-1] if isinstance(value, yaml.SequenceNode) else [value]
    for part in parts:
        if not isinstance(part, yaml.MappingNode):
            mark = part.start_mark
            raise InputError("not YAML: << takes a mapping or a list of them", source=mark.name, line=mark.line + 1)
    return [pair for part in parts for pair in part.value]


def _merged(base: yaml.Node, own: yaml.Node, done: dict[tuple[int, int], yaml.Node]) -> yaml.Node:
    """Two mappings key by key, of anything else the second; ``done`` has what has been merged already."""
    if not (isinstance(base, yaml.MappingNode) and isinstance(own, yaml.MappingNode)):
        return own
    if (id(base), id(own)) not in done:
        known = {_identity(key): value for key, value in base.value}
        pairs = [
            (key, _merged(known[_identity(key)], value, done) if _identity(key) in known else value)
            for key, value in own.value
        ]
        merged = _last_of_each([*base.value, *pairs])
        done[id(base), id(own)] = yaml.MappingNode(own.tag, merged, own.start_mark, own.end_mark, own.flow_style)
    return done[id(base), id(own)]


def _last_of_each(pairs: Iterable[tuple[yaml.Node, yaml.Node]]) -> list[tuple[yaml.Node, yaml.Node]]:
    """One pair a key, the last, where the key came first."""
    return list({_identity(key): (key, value) for key, value in pairs}.values())


def _identity(key: yaml.Node) -> object:
    """Equal for keys that are equal in YAML's eyes; a key that is no scalar equals itself alone."""
    return (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)


DEFAULT_PROTOCOL = "glyphs-ssl"
LOCK_NAME = "LOCK.json"
DRAFTS = "drafts"
"""Folder beside the lock with the protocols that may still change and are on no board."""
SWEEP = "sweep"
"""Top-level key of a grid that is written short, see `protocols.sweep`."""
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
    if SWEEP in document:
        node = _expanded(node, document[SWEEP])
        document = _built(node, str(path))
    content = {key: value for key, value in document.items() if not str(key).startswith(ANCHOR_PREFIX)}
    return _validated(Protocol, content, node)


def _validated(model: type[Model], content: Any, node: yaml.Node, *within: str) -> Model:
    """The model in the values of a node; ``within`` is the node's path in the document, for errors.

    Raises:
        InputError: with the file and line of the wrong value.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        location = (*first["loc"], *first.get("ctx", {}).get("at", ()))
        where = ".".join(str(part) for part in (*within, *location)) or "protocol"
        problem = first["msg"].removeprefix("Value error, ")
        source, line = place_of(node, location)
        raise InputError(f"{where}: {problem}", source=source, line=line) from None


def _expanded(node: yaml.Node, content: Any) -> yaml.Node:
    """A protocol with the configs of its ``sweep`` behind its own."""
    own = dict(_pairs_by_key(node))
    written = own.pop(SWEEP)
    sweep = _validated(Sweep, content, written, SWEEP)
    configs = own.get("configs", _sequence((), written))
    made = [_config_of(sweep, levels, written) for levels in sweep.combinations()]
    whole = _sequence((*configs.value, *made), written) if isinstance(configs, yaml.SequenceNode) else configs
    return _mapping(own | {"configs": whole}, node)


def _config_of(sweep: Sweep, levels: Levels, written: yaml.Node) -> yaml.Node:
    """One config of a sweep: its base, the value of each level merged into it, and how it is called."""
    parts = dict(_pairs_by_key(written))
    config = parts["base"]
    for factor, level, one in zip(parts["factors"].value, levels, sweep.factors, strict=True):
        value = dict(_pairs_by_key(dict(_pairs_by_key(factor))["levels"]))[level]
        for name in reversed(one.field.split(".")):
            value = _mapping({name: value}, value)
        config = _merged(config, value, {})
    factors = {one.name: _text_node(level, written) for one, level in zip(sweep.factors, levels, strict=True)}
    called = {"name": _text_node("-".join(levels), written), "title": _text_node(sweep.title(levels), written)}
    return _merged(
        _mapping(called, written), _merged(config, _mapping({"factors": _mapping(factors, written)}, written), {}), {}
    )


def _pairs_by_key(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    return ((str(key), value) for key, _, value in _pairs(node))


def _text_node(text: str, like: yaml.Node) -> yaml.Node:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, like.start_mark, like.end_mark)


def _sequence(items: Sequence[yaml.Node], like: yaml.Node) -> yaml.SequenceNode:
    return yaml.SequenceNode("tag:yaml.org,2002:seq", list(items), like.start_mark, like.end_mark)


def _mapping(values: Mapping[str, yaml.Node], like: yaml.Node) -> yaml.MappingNode:
    """A mapping at the place of another node."""
    pairs = [(_text_node(key, value), value) for key, value in values.items()]
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs, like.start_mark, like.end_mark)


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
