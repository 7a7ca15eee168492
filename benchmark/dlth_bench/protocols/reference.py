"""What the full data give: accuracies of each config, where they come from, and what measuring them took."""

from __future__ import annotations

import datetime
from statistics import fmean, stdev
from typing import Annotated, Self

from pydantic import Field, model_validator

from dlth_bench.util.model import Frozen


class Cost(Frozen):
    """What training took, summed over the runs it stands for."""

    images: Annotated[
        int, Field(ge=0, le=10**18, description="Samples drawn in training, all views of one counted once.")
    ]
    flops: Annotated[float, Field(ge=0, le=1e40, description="Floating-point operations of all training steps.")]
    device_seconds: Annotated[
        float, Field(ge=0, le=1e15, description="Wall seconds times devices, of all training steps.")
    ]


class ConfigReference(Frozen):
    """Full-data accuracy of one config: one value a seed, or a published mean with a standard deviation.

    Under a protocol that ranks by another metric, all of these are that metric's values, in its unit.
    """

    accuracies: Annotated[tuple[float, ...], Field(description="Last-epoch top-1, one value a seed.")] = ()
    mean: float | None = None
    std: Annotated[float | None, Field(ge=0, description="Standard deviation over seeds, if published.")] = None
    source: Annotated[str, Field(description="Where a published value stands.")] = ""
    cost: Annotated[Cost | None, Field(description="Cost of all seeds together.")] = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.accuracies) == (self.mean is not None):
            raise ValueError("give either accuracies (measured) or mean (published)")
        return self

    @property
    def statistics(self) -> tuple[float, float | None]:
        """Mean and standard deviation over seeds (n - 1; None with one seed or an unstated one)."""
        if self.mean is not None:
            return self.mean, self.std
        spread = stdev(self.accuracies) if len(self.accuracies) > 1 else None
        return fmean(self.accuracies), spread


class Reference(Frozen):
    """The full data's accuracies and where they come from."""

    source: Annotated[str, Field(description="How the values came about: a measurement or a publication.")]
    date: Annotated[datetime.date, Field(description="Day of the measurement or publication.")]
    hardware: str = ""
    versions: Annotated[dict[str, str], Field(default_factory=dict)]
    commit: Annotated[str, Field(description="Commit of the code that measured the values.")] = ""
    assumed_std: Annotated[
        float | None,
        Field(ge=0, description="Std over seeds to reckon with where a published value states none, as a fraction."),
    ] = None
    configs: Annotated[dict[str, ConfigReference], Field(min_length=1)]
