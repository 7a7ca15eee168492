"""A subset of a dataset: its canonical form, its digest, and which sizes a protocol admits."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from dlth_bench.datasets.catalog import classes_of
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import without_comment
from dlth_bench.util.model import Frozen, digest_of
from dlth_bench.util.text import printable, quoted

SubsetUnit = Literal["class", "sample"]


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
        plural = {"class": "classes", "sample": "samples"}[self.unit]
        return f"{len(self)} {self.unit if len(self) == 1 else plural}"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) that names this set of IDs; equal for equal sets, however they were written."""
        return digest_of({"dataset": self.dataset, "unit": self.unit, "ids": self.ids})

    def canonical_text(self) -> str:
        """The subset file with nothing but the sorted IDs, one a line."""
        return "".join(f"{item}\n" for item in self.ids)


def check_size(subset: Subset, minimum: int, maximum: int, *, source: Path | str | None = None) -> None:
    """Raise InputError unless the subset has from ``minimum`` to ``maximum`` members, both included."""
    if minimum <= len(subset) <= maximum:
        return
    takes = f"exactly {minimum}" if minimum == maximum else f"{minimum} to {maximum}"
    where = None if source is None else printable(str(source))
    raise InputError(f"has {subset.counted}, the protocol takes {takes}", source=where)


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

    minimum: Annotated[int, Field(gt=1, description="Fewest members.")]
    maximum: Annotated[int, Field(gt=1, description="Most members.")]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("the minimum is larger than the maximum")
        return self


class SubsetRule(SizeRange):
    """What a subset must be to be scored under the protocol: how many classes it may have, or samples."""

    unit: Literal["class"] = "class"
    samples: Annotated[
        SizeRange | None, Field(description="How many samples a sample subset may have; None: class subsets only.")
    ] = None
    replaces: Annotated[
        Replaced,
        Field(description="Which data it takes the place of; of a part only, sample subsets alone are taken."),
    ] = "training"

    @model_validator(mode="after")
    def _partly_by_samples(self) -> Self:
        # The full data of a class subset are those of its classes: there would be nothing that it replaces.
        if self.replaces != "training" and self.samples is None:
            raise ValueError(f"replaces: {self.replaces} is of sample subsets; say how many samples they may have")
        return self
