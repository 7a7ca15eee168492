"""Tables of named entries: looked up with a hint at what was meant, and open to further entries."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol, TypeVar

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted


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
