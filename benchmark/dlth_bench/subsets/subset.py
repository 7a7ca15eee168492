"""A subset of a dataset: its canonical form and digest, the sizes that a protocol admits, its text file and card."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from dlth_bench.datasets.catalog import ClassCatalog, SampleCatalog, classes_of
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import LINE_BREAK, read_text_file, without_comment
from dlth_bench.util.model import Frozen, digest_of
from dlth_bench.util.text import printable, quoted

SubsetUnit = Literal["class", "sample"]
PLURAL: dict[SubsetUnit, str] = {"class": "classes", "sample": "samples"}


class Subset(Frozen):
    """A set of class IDs or sample IDs of one dataset; the order in which they are given does not matter.

    A sample's ID is ``<class ID>/<name>``, with no other slash and no space.
    """

    dataset: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Name of the dataset, e.g. imagenet.")
    unit: SubsetUnit = Field(default="class", description="What the IDs name.")
    ids: tuple[str, ...] = Field(min_length=1, description="Canonical IDs, sorted by code point, each once.")

    @field_validator("ids")
    @classmethod
    def _canonical(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        for item in ids:
            if not item.isprintable() or without_comment(item) != item or not item:
                raise ValueError(f"{quoted(item)} cannot be an ID: it would not survive in a text file")
        ordered = sorted(ids)
        for item, following in itertools.pairwise(ordered):
            if item == following:
                raise ValueError(f"{quoted(item)} is listed twice")
        return tuple(ordered)

    @model_validator(mode="after")
    def _classes_known(self) -> Self:
        for item in self.ids if self.unit == "sample" else ():
            if not all(item.partition("/")) or item.count("/") > 1 or " " in item:
                raise ValueError(f"{quoted(item)} cannot be a sample's ID, which is <class ID>/<name>")
        return self

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def class_ids(self) -> tuple[str, ...]:
        """The classes of the subset, or those that its samples are of; sorted by code point."""
        return self.ids if self.unit == "class" else classes_of(self.ids)

    @property
    def samples(self) -> int | None:
        """How many samples a sample subset has; None for a class subset, which has all of its classes."""
        return len(self.ids) if self.unit == "sample" else None

    @property
    def counted(self) -> str:
        """Its size in words: ``1 class``, ``24 classes``, ``1152 samples``."""
        return f"{len(self)} {self.unit if len(self) == 1 else PLURAL[self.unit]}"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) that names this set of IDs; equal for equal sets, however they were written."""
        return digest_of({"dataset": self.dataset, "unit": self.unit, "ids": self.ids})

    def canonical_text(self) -> str:
        """The subset file with nothing but the sorted IDs, one a line."""
        return "".join(f"{item}\n" for item in self.ids)


Replaced = Literal["training", "search", "sparse_training", "probe"]
"""``training``: the data of every phase. ``search``: of the search for a ticket, up to its mask and the weights of the
rewind point; the ticket is then trained on the full data. ``sparse_training``: of the training of a ticket that was
found on the full data. ``probe``: of the probe on features that were learned, or a ticket that was found, on the full
data. The full data of a sample subset are all samples of its classes."""

Phase = Literal["search", "sparse_training", "probe"]
PHASES: tuple[Phase, ...] = ("search", "sparse_training", "probe")


def on_subset(phase: Phase, replaced: Replaced) -> bool:
    """Whether a phase takes the subset rather than the full data; a dense training is of the phase ``search``."""
    return replaced in ("training", phase)


REPLACED_TEXT: dict[Replaced, str] = {
    "training": "the data of every phase",
    "search": "the data of the search for the ticket; it is trained on the full data",
    "sparse_training": "the data that train the ticket; it is searched for on the full data",
    "probe": "the data of the probe; what it looks at is of the full data",
}
"""How it is told to a reader: what the subset replaces."""


class SizeRange(Frozen):
    """How many members a subset may have, both ends included."""

    minimum: int = Field(gt=1, description="Fewest members.")
    maximum: int = Field(gt=1, description="Most members.")
    sizes: tuple[int, ...] = Field(
        (), description="The only numbers of members; none: all from the minimum to the maximum."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("the minimum is larger than the maximum")
        if self.sizes and (tuple(sorted(set(self.sizes))), self.sizes[0], self.sizes[-1]) != (
            self.sizes,
            self.minimum,
            self.maximum,
        ):
            raise ValueError("sizes must ascend from the minimum to the maximum")
        return self

    @property
    def told(self) -> str:
        """``10 to 60``, or ``12, 24 or 60``."""
        if not self.sizes:
            return f"exactly {self.minimum}" if self.minimum == self.maximum else f"{self.minimum} to {self.maximum}"
        return " or ".join(filter(None, (", ".join(map(str, self.sizes[:-1])), str(self.sizes[-1]))))


def check_size(subset: Subset, sizes: SizeRange, *, source: Path | str | None = None) -> None:
    """Raise InputError unless the subset has one of the admitted numbers of members."""
    if len(subset) not in sizes.sizes if sizes.sizes else not sizes.minimum <= len(subset) <= sizes.maximum:
        where = None if source is None else printable(str(source))
        raise InputError(f"has {subset.counted}, the protocol takes {sizes.told}", source=where)


class SubsetRule(SizeRange):
    """What a subset must be to be scored under the protocol: how many classes it may have, or samples."""

    unit: Literal["class"] = "class"
    samples: SizeRange | None = Field(
        None, description="How many samples a sample subset may have; None: class subsets only."
    )
    replaces: Replaced = Field(
        "training", description="Which data it takes the place of; of a part only, sample subsets alone are taken."
    )

    @model_validator(mode="after")
    def _partly_by_samples(self) -> Self:
        # The full data of a class subset are those of its classes: there would be nothing that it replaces.
        if self.replaces != "training" and self.samples is None:
            raise ValueError(f"replaces: {self.replaces} is of sample subsets; say how many samples they may have")
        return self


MAX_SUBSET_BYTES = 1 << 26
"""Twice what the list of all samples of ImageNet takes."""

Samples = Callable[[], SampleCatalog]
"""Gives the samples to choose from; called only for a list of samples, since a list of classes needs none."""


class SubsetEntry(NamedTuple):
    """An ID as the file spells it, and the 1-based line it stands on."""

    line: int
    spelling: str


def subset_entries(text: str) -> tuple[SubsetEntry, ...]:
    """What a subset file lists: comments (from a ``#`` that starts a line or follows white space) and blanks go."""
    lines = enumerate(LINE_BREAK.split(text), start=1)
    entries = (SubsetEntry(number, without_comment(line)) for number, line in lines)
    return tuple(entry for entry in entries if entry.spelling)


def count_known(entries: Iterable[SubsetEntry], catalog: ClassCatalog) -> int:
    """How many of the entries name a class (or several) of the catalog, or a sample of one."""
    return sum(_unit_of(entry.spelling, catalog) is not None for entry in entries)


def parse_subset(
    text: str,
    catalog: ClassCatalog,
    *,
    samples: Samples | None = None,
    source: Path | str | None = None,
    other_catalogs: Sequence[ClassCatalog] = (),
) -> Subset:
    """The subset that ``text`` lists, one ID a line: all of classes or all of samples, told from what is listed.

    A class may be spelled by an alias, a sample by its ID alone.

    Args:
        text: the file's content.
        catalog: the classes to choose from.
        samples: the samples to choose from; None refuses a list of samples.
        source: the file's name, for error messages.
        other_catalogs: further datasets, only to recognise a list that was meant for one of them.

    Raises:
        InputError: nothing listed, an unknown or ambiguous ID, one listed twice, classes and samples mixed, or
            another dataset's list.
    """
    entries = subset_entries(text)
    if not entries:
        raise InputError(f"lists no class; expected one ID a line, {catalog.id_hint}", source=source)
    _refuse_another_dataset(entries, catalog, other_catalogs, source)
    unit = _unit(entries, catalog)
    _refuse_mixture(entries, catalog, unit, source)
    names: _Names = _ClassNames(catalog)
    if unit == "sample":
        if samples is None:
            raise InputError("lists samples; only classes can be chosen here", source=source, line=entries[0].line)
        names = _SampleNames(catalog, samples())
    first: dict[str, SubsetEntry] = {}
    for entry in entries:
        known = names.id_of(entry.spelling)
        if known is None:
            raise InputError(_unknown(entry.spelling, names), source=source, line=entry.line)
        if known in first:
            raise InputError(_duplicate(entry, first[known], unit), source=source, line=entry.line)
        first[known] = entry
    return Subset(dataset=catalog.dataset, unit=unit, ids=tuple(first))


def load_subset(
    path: Path | str,
    catalog: ClassCatalog,
    *,
    samples: Samples | None = None,
    other_catalogs: Sequence[ClassCatalog] = (),
) -> Subset:
    """The subset in a UTF-8 text file; see ``parse_subset``.

    Raises:
        InputError: the file cannot be read or is not a list of classes or samples of this dataset.
    """
    text = read_text_file(path, MAX_SUBSET_BYTES)
    return parse_subset(text, catalog, samples=samples, source=path, other_catalogs=other_catalogs)


class _Names(Protocol):
    """What a list of one unit may name."""

    catalog: ClassCatalog

    def id_of(self, spelling: str) -> str | None:
        """The canonical ID of what is spelled so; None when there is none, or several."""

    def unknown(self, spelling: str) -> str:
        """What is wrong with a spelling that has no ID."""

    def advice(self, spelling: str) -> str:
        """What would be right instead."""


class _ClassNames:
    def __init__(self, catalog: ClassCatalog) -> None:
        self.catalog = catalog

    def id_of(self, spelling: str) -> str | None:
        label = _label(spelling, self.catalog)
        return None if label is None else self.catalog.classes[label].id

    def unknown(self, spelling: str) -> str:
        # A Cyrillic А looks like the Latin one; its code point tells what is wrong.
        point = f" (U+{ord(spelling):04X})" if len(spelling) == 1 else ""
        return f"{quoted(spelling)}{point} is not a class of {self.catalog.dataset}"

    def advice(self, spelling: str) -> str:
        near = self.catalog.closest(spelling)
        return f"did you mean {quoted(near)}?" if near else f"write {self.catalog.id_hint}"


class _SampleNames:
    def __init__(self, catalog: ClassCatalog, samples: SampleCatalog) -> None:
        self.catalog = catalog
        self.samples = samples

    def id_of(self, spelling: str) -> str | None:
        return None if self.samples.index(spelling) is None else spelling

    def unknown(self, spelling: str) -> str:
        first = self.samples.images_per_class
        limits = "" if first is None else f" (the first {first} of each class)"
        return f"{quoted(spelling, 120)} is not a training sample of {self.samples.dataset}{limits}"

    def advice(self, spelling: str) -> str:
        class_part, _, name = spelling.rpartition("/")
        label = _label(class_part, self.catalog)
        near = self.samples.closest(spelling if label is None else f"{self.catalog.classes[label].id}/{name}")
        return f"did you mean {quoted(near, 120)}?" if near else f"write an ID such as {self.samples.sample_ids[0]}"


def _label(spelling: str, catalog: ClassCatalog) -> int | None:
    exact = catalog.index(spelling)
    # Some editors write é as two code points; canonically equivalent text names the same class.
    return exact if exact is not None else catalog.index(unicodedata.normalize("NFC", spelling))


def _unit_of(spelling: str, catalog: ClassCatalog) -> SubsetUnit | None:
    """What an entry names by its form; None for neither. Whether a class has such a sample is not looked at."""
    if _label(spelling, catalog) is not None or catalog.ambiguous(spelling):
        return "class"
    class_part, _, name = spelling.rpartition("/")
    label = catalog.index(class_part)
    # By the ID alone: "[/b]" is no sample of the class that is also called "[".
    return "sample" if name and label is not None and catalog.classes[label].id == class_part else None


def _unit(entries: Sequence[SubsetEntry], catalog: ClassCatalog) -> SubsetUnit:
    """What most of the entries name; where none is known, what the first looks like."""
    units = Counter(_unit_of(entry.spelling, catalog) for entry in entries)
    if units["class"] == units["sample"] == 0:
        return "sample" if all(entries[0].spelling.rpartition("/")) else "class"
    return "sample" if units["sample"] > units["class"] else "class"


def _refuse_mixture(
    entries: Sequence[SubsetEntry], catalog: ClassCatalog, unit: SubsetUnit, source: Path | str | None
) -> None:
    for entry in entries:
        other = _unit_of(entry.spelling, catalog)
        if other not in (None, unit):
            message = f"{quoted(entry.spelling, 120)} is a {other} in a list of {PLURAL[unit]}; list one or the other"
            raise InputError(message, source=source, line=entry.line)


def _refuse_another_dataset(
    entries: Sequence[SubsetEntry], catalog: ClassCatalog, others: Sequence[ClassCatalog], source: Path | str | None
) -> None:
    """Most entries are unknown here and known in one other dataset: one message says more than a typo would."""
    unknown = [entry for entry in entries if _unit_of(entry.spelling, catalog) is None]
    known_there = [(count_known(unknown, other), other) for other in others if other.dataset != catalog.dataset]
    count, likeliest = max(known_there, key=lambda pair: pair[0], default=(0, catalog))
    if 2 * count > len(entries):
        unit = _unit(unknown, likeliest)
        message = f"looks like a {unit} list of {likeliest.dataset}, but this dataset is {catalog.dataset}"
        raise InputError(message, source=source, line=unknown[0].line)


def _unknown(spelling: str, names: _Names) -> str:
    shared = names.catalog.ambiguous(spelling)
    if shared:
        return f"{quoted(spelling)} is ambiguous: write {' or '.join(shared)}"
    first_word = re.split(r"[\s,;]", spelling, maxsplit=1)[0]
    if first_word != spelling and names.id_of(first_word) is not None:
        return f"{names.unknown(spelling)}; write one ID a line, and notes after ' #'"
    return f"{names.unknown(spelling)}; {names.advice(spelling)}"


def _duplicate(entry: SubsetEntry, first: SubsetEntry, unit: SubsetUnit) -> str:
    if entry.spelling == first.spelling:
        return f"{quoted(entry.spelling, 120)} is listed twice, first on line {first.line}"
    return f"{quoted(entry.spelling, 120)} is the same {unit} as {quoted(first.spelling, 120)} on line {first.line}"


class SubsetCard(Frozen):
    """The sidecar ``<name>.yaml`` of a subset file ``<name>.txt``."""

    policy: str = Field(min_length=1, description="How the members were selected, e.g. PD-Bottom.")
    source: str = Field(min_length=1, description="Where the list was published, with a revision where there is one.")
    licence: str = Field(min_length=1, description="Terms of the list, and of the data it names where they differ.")
    notes: str = Field(default="", description="What else a user of the list should know.")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the subset the card was written for.")

    @field_validator("policy", "source", "licence", "notes")
    @classmethod
    def _one_visible_line(cls, text: str) -> str:
        if not text.isprintable():  # YAML can smuggle in terminal escape sequences
            raise ValueError("must be one line without control characters")
        return text


def load_card(path: Path | str) -> SubsetCard:
    """The card in a YAML file.

    Raises:
        InputError: the file cannot be read, is not YAML, or lacks or misspells a field.
    """
    text = read_text_file(path)
    try:
        return SubsetCard.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        message = f"is not valid YAML: {printable(error.problem or 'syntax error')}"
        raise InputError(message, source=path, line=line) from None
    except (yaml.YAMLError, RecursionError):
        raise InputError("is not valid YAML", source=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "card"
        raise InputError(printable(f"{field}: {first['msg']}"), source=path) from None


def misnamed(sample_id: str, class_id: str) -> str:
    """What is wrong with the ID of a sample of a class; nothing if it is ``<class ID>/<name>``."""
    own, _, name = sample_id.partition("/")
    if own != class_id:
        return f"sample {quoted(sample_id)} has the label of {class_id}; its ID must be {class_id}/<name>"
    if not name or "/" in name or " " in name or not name.isprintable():
        return f"sample {quoted(sample_id)}: an ID is <class ID>/<name>, the name without slash or white space"
    return ""
