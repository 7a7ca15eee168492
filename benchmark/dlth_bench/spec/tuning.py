"""How the steps of a run are computed, as far as it does not change what they compute."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dlth_bench.spec.frozen import Frozen


class Tuning(Frozen):
    """Devices, memory and compilation. They change rounding alone, so they are no part of a run's identity."""

    devices: Annotated[int, Field(ge=1, description="Processes that train a run together, one a device.")] = 1
    micro_batch: Annotated[
        int | None, Field(ge=1, description="Samples of one forward and backward pass; None: all that a device has.")
    ] = None
    checkpoint_activations: Annotated[
        bool, Field(description="Keep a block's input alone and compute the rest again for the backward pass.")
    ] = False
    compile: Annotated[bool, Field(description="Run the networks' blocks through torch.compile.")] = False

    @property
    def text(self) -> str:
        """What differs from a plain step; empty: nothing."""
        parts = [
            f"{self.devices} devices" if self.devices > 1 else "",
            f"micro-batches of at most {self.micro_batch}" if self.micro_batch is not None else "",
            "activation checkpointing" if self.checkpoint_activations else "",
            "torch.compile" if self.compile else "",
        ]
        return ", ".join(part for part in parts if part)
