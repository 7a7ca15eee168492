"""Which sizes of subsets a protocol takes, and what of the full data they take the place of."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.replaced import Replaced


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
