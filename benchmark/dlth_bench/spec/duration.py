"""How long to train, in a unit that cannot be confused with another."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.spec.frozen import Frozen

Unit = Literal["epochs", "steps", "images"]


class Duration(Frozen):
    """A training length given in exactly one unit: ``{epochs: 20}``, ``{steps: 500}`` or ``{images: 64000}``."""

    epochs: Annotated[float | None, Field(gt=0, description="Passes over the training samples.")] = None
    steps: Annotated[int | None, Field(gt=0, description="Optimizer updates.")] = None
    images: Annotated[int | None, Field(gt=0, description="Samples drawn, all views of one counted once.")] = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give exactly one of epochs, steps, images")
        return self

    @property
    def unit(self) -> Unit:
        if self.epochs is not None:
            return "epochs"
        return "steps" if self.steps is not None else "images"

    def in_steps(self, samples: int, batch_size: int) -> int:
        """Optimizer updates for a training set of ``samples``; an incomplete last batch of an epoch is dropped.

        Raises:
            ValueError: when one epoch has no full batch.
        """
        if samples < batch_size:
            raise ValueError(f"{samples} training samples do not fill one batch of {batch_size}")
        if self.steps is not None:
            return self.steps
        if self.images is not None:
            return max(1, round(self.images / batch_size))
        assert self.epochs is not None  # guaranteed by _one_unit; tells the type checker
        return max(1, round(self.epochs * (samples // batch_size)))
