"""Down to which depth a network is pruned (limited-supervision paper, appendix C)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen


class LayerDepth(Frozen):
    """The first prunable layers, from the input on in the order of the network's modules; all others stay dense.

    In a ResNet that order goes stage by stage, with the convolutions of shortcuts: the first 11, 24 and 43 of a
    ResNet-50 are the stem with one, two and three stages.
    """

    layers: Annotated[int | None, Field(gt=0, description="How many layers.")] = None
    share: Annotated[float | None, Field(gt=0, le=1, description="Part of all prunable layers, at least one.")] = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.layers is None) == (self.share is None):
            raise ValueError("give exactly one of layers, share")
        return self

    def count(self, layers: int) -> int:
        """How many of a network's prunable ``layers`` are pruned.

        Raises:
            InputError: more than it has.
        """
        if self.share is not None:
            return max(1, round(self.share * layers))
        wanted = self.layers or 0
        if wanted > layers:
            raise InputError(f"pruning is to reach {wanted} layers deep, but the network has {layers} prunable layers")
        return wanted
