"""The classes and samples of a dataset, and how a user may write them."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted


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


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file of classes or samples by column name."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def classes_of(sample_ids: Iterable[str]) -> tuple[str, ...]:
    """The IDs of the classes that have at least one of the samples, sorted by code point."""
    return tuple(sorted({sample_id.partition("/")[0] for sample_id in sample_ids}))


@dataclass(frozen=True, eq=False)
class SampleCatalog:
    """The training samples that a subset may choose from; made for a million of them.

    Args:
        dataset: the dataset's name, e.g. ``glyphs``.
        sample_ids: ``<class ID>/<name>`` with no other slash and no white space, in the dataset's own order, each once.
        labels: of each sample, the position of its class in ``class_ids``; an ``array.array``, which numpy reads
            without a copy.
        class_ids: in the dataset's own order.
        images_per_class: the samples are the first so many of each class; None: all.

    Raises:
        ValueError: not as many labels as samples.
    """

    dataset: str
    sample_ids: tuple[str, ...]
    labels: Sequence[int]
    class_ids: tuple[str, ...]
    images_per_class: int | None = None

    def __post_init__(self) -> None:
        if len(self.sample_ids) != len(self.labels):
            raise ValueError(f"{self.dataset} has {len(self.sample_ids)} samples but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.sample_ids)

    def index(self, sample_id: str) -> int | None:
        """The position of a sample; None when there is none of that ID."""
        return self._by_id.get(sample_id)

    def closest(self, sample_id: str) -> str | None:
        """The sample whose ID is nearest to an unknown one, for a "did you mean"; of its class, or of the nearest."""
        class_id = sample_id.partition("/")[0]
        classes = difflib.get_close_matches(class_id, self.class_ids, n=1, cutoff=0.7)
        if not classes:
            return None
        label = self.class_ids.index(classes[0])
        candidates = (known for known, own in zip(self.sample_ids, self.labels, strict=True) if own == label)
        matches = difflib.get_close_matches(sample_id, candidates, n=1, cutoff=0.7)
        return matches[0] if matches else None

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {sample_id: position for position, sample_id in enumerate(self.sample_ids)}


Split = Literal["train", "val"]


MOST_UNREADABLE = 0.01
"""Share of the images asked for that may be undecodable; above it something is wrong with a copy."""


class SampleNames(Protocol):
    """What the training samples of a class may be called, behind the class's ID and a slash."""

    def example(self, class_id: str) -> str:
        """A name."""
        ...

    def admits(self, class_id: str, name: str) -> bool:
        """Whether a sample of the class may have the name."""
        ...


@dataclass(frozen=True)
class RowNumbers:
    """A sample is called by its row in the training split, of ``rows``, written in so many digits: ``00042``."""

    digits: int
    rows: int

    def example(self, class_id: str) -> str:
        return "0" * self.digits

    def admits(self, class_id: str, name: str) -> bool:
        return re.fullmatch(rf"[0-9]{{{self.digits}}}", name) is not None and int(name) < self.rows


@dataclass(frozen=True, eq=False, kw_only=True)
class SamplesByRule(SampleCatalog):
    """The samples that there may be; ``sample_ids`` has one example.

    An ID that breaks the rule is no sample of any copy; one that keeps it may still be missing, which a run says.
    """

    names: SampleNames

    def index(self, sample_id: str) -> int | None:
        """0 for an ID as the dataset's samples have it, else None."""
        class_id, _, name = sample_id.partition("/")
        return 0 if class_id in self._classes and self.names.admits(class_id, name) else None

    @cached_property
    def _classes(self) -> frozenset[str]:
        return frozenset(self.class_ids)

    def closest(self, sample_id: str) -> str | None:
        """None: no other ID is known to be near."""
        return None


def samples_by_rule(catalog: ClassCatalog, names: SampleNames) -> SamplesByRule:
    """All samples that a dataset of these classes may have."""
    first = catalog.ids[0]
    example = (f"{first}/{names.example(first)}",)
    return SamplesByRule(catalog.dataset, example, (0,), catalog.ids, names=names)
