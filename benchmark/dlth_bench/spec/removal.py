"""Training without the samples that are easiest, or hardest, to learn (stability paper, table 7)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlth_bench.spec.frozen import Frozen


class RemovalSpec(Frozen):
    """Which samples go before training, by the forgetting events of a first training by the same recipe.

    Fewer events are easier; samples that were never right are the hardest (Toneva et al. 2019).
    """

    order: Annotated[Literal["easiest", "hardest"], Field(description="Which samples go.")]
    share: Annotated[float, Field(gt=0, lt=1, description="Of all training samples.")]

    def kept(self, samples: int) -> int:
        """How many of the samples stay."""
        return samples - round(self.share * samples)
