"""What models and tables are made of: frozen pydantic models with digests, and named entries looked up with a hint."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hex."""


class Frozen(BaseModel):
    """An immutable pydantic model that refuses unknown keys and non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def inconsistent(problem: str, *at: str | int) -> PydanticCustomError:
    """The error of a model whose parts do not fit; ``at`` is the path of the part to change."""
    return PydanticCustomError("inconsistent", "{problem}", {"problem": problem, "at": at})


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no white space, so that equal values have equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of ``value``.

    A model enters with default-valued fields left out, so that a new optional field keeps old digests.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


class Named(Protocol):
    """What has a name of its own."""

    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry]):
    """Entries by name, in the order in which they were registered.

    Args:
        what: an entry is, in messages, e.g. ``dataset``.
        entries: those that come with the package.
    """

    def __init__(self, what: str, entries: Iterable[Entry]) -> None:
        self._what = what
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            self.register(entry)

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def register(self, entry: Entry) -> None:
        """Add an entry.

        Raises:
            ValueError: there is one of that name.
        """
        if entry.name in self._entries:
            raise ValueError(f"there is a {self._what} {entry.name!r} already")
        self._entries[entry.name] = entry

    def find(self, name: str) -> Entry:
        """The entry of a name that a user wrote.

        Raises:
            InputError: there is none; says which there are and which was likely meant.
        """
        if name not in self._entries:
            raise unknown(self._what, name, self._entries)
        return self._entries[name]


def unknown(what: str, name: str, valid: Iterable[str]) -> InputError:
    """The error for a name that is none of the valid ones."""
    names = list(dict.fromkeys(valid))
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"; did you mean {quoted(near[0])}?" if near else ""
    return InputError(f"unknown {what} {quoted(name)}, valid are {', '.join(names)}{guess}")


def import_attribute(place: str) -> Any:
    """What ``package.module:name`` names; the module is imported now, if it is not yet.

    Raises:
        ImportError: no such module.
        AttributeError: no such name in it.
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
