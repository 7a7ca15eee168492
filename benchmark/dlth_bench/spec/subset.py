"""A subset of a dataset: its canonical form and its digest."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen, digest_of
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.samples import classes_of
from dlth_bench.spec.text_file import without_comment

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
