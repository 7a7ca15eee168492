"""A subset of a dataset: its canonical form, its digest, and the text file it is read from."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen, digest_of
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.text_file import LINE_BREAK, read_text_file

SubsetUnit = Literal["class", "sample"]

_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)


class Subset(Frozen):
    """A set of class IDs or sample IDs of one dataset; the order in which they are given does not matter."""

    dataset: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Name of the dataset, e.g. imagenet.")
    unit: SubsetUnit = Field(default="class", description="What the IDs name.")
    ids: tuple[str, ...] = Field(min_length=1, description="Canonical IDs, sorted by code point, each once.")

    @field_validator("ids")
    @classmethod
    def _canonical(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        for item in ids:
            if not item.isprintable() or _without_comment(item) != item or not item:
                raise ValueError(f"{quoted(item)} cannot be an ID: it would not survive in a text file")
        ordered = sorted(ids)
        for item, following in itertools.pairwise(ordered):
            if item == following:
                raise ValueError(f"{quoted(item)} is listed twice")
        return tuple(ordered)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) that names this set of IDs; equal for equal sets, however they were written."""
        return digest_of({"dataset": self.dataset, "unit": self.unit, "ids": self.ids})

    def canonical_text(self) -> str:
        """The subset file with nothing but the sorted IDs, one a line."""
        return "".join(f"{item}\n" for item in self.ids)


class SubsetEntry(NamedTuple):
    """An ID as the file spells it, and the 1-based line it stands on."""

    line: int
    spelling: str


def subset_entries(text: str) -> tuple[SubsetEntry, ...]:
    """What a subset file lists: comments (from a ``#`` that starts a line or follows white space) and blanks go."""
    lines = enumerate(LINE_BREAK.split(text), start=1)
    entries = (SubsetEntry(number, _without_comment(line)) for number, line in lines)
    return tuple(entry for entry in entries if entry.spelling)


def count_known(entries: Iterable[SubsetEntry], catalog: ClassCatalog) -> int:
    """How many of the entries name a class (or several) of the catalog."""
    return sum(_names_a_class(entry.spelling, catalog) for entry in entries)


def parse_subset(
    text: str,
    catalog: ClassCatalog,
    *,
    source: Path | str | None = None,
    other_catalogs: Sequence[ClassCatalog] = (),
) -> Subset:
    """The class subset that ``text`` lists, one ID or alias a line.

    Args:
        text: the file's content.
        catalog: the classes to choose from.
        source: the file's name, for error messages.
        other_catalogs: further datasets, only to recognise a list that was meant for one of them.

    Raises:
        InputError: nothing listed, an unknown or ambiguous ID, a class listed twice, or another dataset's list.
    """
    where = None if source is None else printable(str(source))
    entries = subset_entries(text)
    if not entries:
        raise InputError(f"lists no class; expected one ID a line, {catalog.id_hint}", source=where)
    _refuse_another_dataset(entries, catalog, other_catalogs, where)
    first: dict[int, SubsetEntry] = {}
    for entry in entries:
        label = _label(entry.spelling, catalog)
        if label is None:
            raise InputError(_unknown(entry.spelling, catalog), source=where, line=entry.line)
        if label in first:
            raise InputError(_duplicate(entry, first[label]), source=where, line=entry.line)
        first[label] = entry
    return Subset(dataset=catalog.dataset, ids=tuple(catalog.classes[label].id for label in first))


def load_subset(path: Path | str, catalog: ClassCatalog, *, other_catalogs: Sequence[ClassCatalog] = ()) -> Subset:
    """The class subset in a UTF-8 text file; see ``parse_subset``.

    Raises:
        InputError: the file cannot be read or is not a list of classes of this catalog.
    """
    return parse_subset(read_text_file(path), catalog, source=path, other_catalogs=other_catalogs)


def check_size(subset: Subset, minimum: int, maximum: int, *, source: Path | str | None = None) -> None:
    """Raise InputError unless the subset has from ``minimum`` to ``maximum`` members, both included."""
    if minimum <= len(subset) <= maximum:
        return
    plural = {"class": "classes", "sample": "samples"}[subset.unit]
    count = f"1 {subset.unit}" if len(subset) == 1 else f"{len(subset)} {plural}"
    takes = f"exactly {minimum}" if minimum == maximum else f"{minimum} to {maximum}"
    where = None if source is None else printable(str(source))
    raise InputError(f"has {count}, the protocol takes {takes}", source=where)


def _without_comment(line: str) -> str:
    return _COMMENT.sub("", line, count=1).strip()


def _label(spelling: str, catalog: ClassCatalog) -> int | None:
    exact = catalog.index(spelling)
    # Some editors write é as two code points; canonically equivalent text names the same class.
    return exact if exact is not None else catalog.index(unicodedata.normalize("NFC", spelling))


def _names_a_class(spelling: str, catalog: ClassCatalog) -> bool:
    return _label(spelling, catalog) is not None or bool(catalog.ambiguous(spelling))


def _refuse_another_dataset(
    entries: Sequence[SubsetEntry], catalog: ClassCatalog, others: Sequence[ClassCatalog], source: str | None
) -> None:
    """Most entries are unknown here and known in one other dataset: one message says more than a typo would."""
    unknown = [entry for entry in entries if not _names_a_class(entry.spelling, catalog)]
    known_there = [(count_known(unknown, other), other) for other in others if other.dataset != catalog.dataset]
    count, likeliest = max(known_there, key=lambda pair: pair[0], default=(0, catalog))
    if 2 * count > len(entries):
        message = f"looks like a class list of {likeliest.dataset}, but this dataset is {catalog.dataset}"
        raise InputError(message, source=source, line=unknown[0].line)


def _unknown(spelling: str, catalog: ClassCatalog) -> str:
    shared = catalog.ambiguous(spelling)
    if shared:
        return f"{quoted(spelling)} is ambiguous: write {' or '.join(shared)}"
    # A Cyrillic А looks like the Latin one; its code point tells what is wrong.
    point = f" (U+{ord(spelling):04X})" if len(spelling) == 1 else ""
    message = f"{quoted(spelling)}{point} is not a class of {catalog.dataset}"
    first_word = re.split(r"[\s,;]", spelling, maxsplit=1)[0]
    if first_word != spelling and _label(first_word, catalog) is not None:
        return f"{message}; write one ID a line, and notes after ' #'"
    near = catalog.closest(spelling)
    return f"{message}; did you mean {quoted(near)}?" if near else f"{message}; write {catalog.id_hint}"


def _duplicate(entry: SubsetEntry, first: SubsetEntry) -> str:
    if entry.spelling == first.spelling:
        return f"{quoted(entry.spelling)} is listed twice, first on line {first.line}"
    return f"{quoted(entry.spelling)} is the same class as {quoted(first.spelling)} on line {first.line}"
