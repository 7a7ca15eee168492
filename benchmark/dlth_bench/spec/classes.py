"""The classes of a dataset and how a user may write them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted


@dataclass(frozen=True)
class ClassInfo:
    """One class: its canonical ID, a readable name, other spellings, its path in the class tree."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    """Accepted in place of the ID, unless another class has the same alias or ID."""
    tree: tuple[str, ...] = ()
    """Ancestors from the root to the parent, e.g. ``("Latin", "Uppercase letter")``."""


@dataclass(frozen=True)
class ClassCatalog:
    """The ordered classes of one dataset.

    Args:
        dataset: the dataset's name, e.g. ``glyphs``.
        id_hint: what an ID looks like, for error messages, e.g. ``a code point such as U+0041``.
        classes: in the dataset's own order; a label is an index into it.

    Raises:
        ValueError: two classes have the same ID.
    """

    dataset: str
    id_hint: str
    classes: tuple[ClassInfo, ...]
    _by_spelling: dict[str, int] = field(init=False, repr=False, compare=False)
    _ambiguous: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {info.id: index for index, info in enumerate(self.classes)}
        if len(by_id) != len(self.classes):
            raise ValueError(f"two classes of {self.dataset} have the same ID")
        owners: dict[str, list[int]] = {}
        for index, info in enumerate(self.classes):
            for alias in dict.fromkeys(info.aliases):
                owners.setdefault(alias, []).append(index)
        unique = {alias: found[0] for alias, found in owners.items() if len(found) == 1}
        # An ID always means its own class, whatever another class lists as an alias.
        object.__setattr__(self, "_by_spelling", unique | by_id)
        shared = {
            alias: tuple(self.classes[index].id for index in found)
            for alias, found in owners.items()
            if len(found) > 1 and alias not in by_id
        }
        object.__setattr__(self, "_ambiguous", shared)

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassInfo]:
        return iter(self.classes)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(info.id for info in self.classes)

    def index(self, spelling: str) -> int | None:
        """The label of the class that ``spelling`` (an ID or alias) names; None when it names none or several."""
        return self._by_spelling.get(spelling)

    def position(self, spelling: str) -> int:
        """Like `index`, of a class that there must be.

        Raises:
            InputError: there is none, or several; says which was likely meant.
        """
        found = self.index(spelling)
        if found is None:
            closest = self.closest(spelling)
            hint = f"did you mean {quoted(closest)}?" if closest else f"expected {self.id_hint}"
            raise InputError(f"{self.dataset} has no class {quoted(spelling)}; {hint}")
        return found

    def ambiguous(self, spelling: str) -> tuple[str, ...]:
        """The IDs of the classes that share the alias ``spelling``; empty unless there are several."""
        return self._ambiguous.get(spelling, ())

    def closest(self, spelling: str) -> str | None:
        """The accepted spelling nearest to an unknown one, for a "did you mean"."""
        if spelling.isdecimal():
            return None  # a wrong number is near many right ones, which says nothing
        folded = spelling.casefold()
        same_letters = (known for known in self._by_spelling if known.casefold() == folded)
        matches = difflib.get_close_matches(spelling, self._by_spelling, n=1, cutoff=0.7)
        return next(same_letters, matches[0] if matches else None)
