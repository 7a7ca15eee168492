"""What the file of a critical set holds: which samples a search found critical, and what it saw of each.

A safetensors file, never pickle. Its metadata has one key ``json``, the header; its tensors are

- ``sample_ids`` uint8 (bytes,): the IDs in UTF-8, joined by line feeds, in the dataset's order
- ``labels`` int32 (samples,): positions in the header's ``class_ids``
- ``selected`` uint8 (samples,): 1 in the set after the last level
- ``events`` int32 (samples,): forgetting events, of all levels together
- ``unlearned`` int32 (samples,): how many levels were trained on the sample and never learned it
- ``disagreements`` int32 (samples,): after how many levels the compared networks saw it differently
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlth_bench.spec.frozen import Frozen

COUNTS = ("events", "unlearned", "disagreements")
"""The tensors (samples,) of int32."""


class CriticalSetHeader(Frozen):
    """Where a critical set comes from."""

    format: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Name of the dataset.")]
    class_ids: Annotated[tuple[str, ...], Field(min_length=2, description="What the labels are positions in.")]
    config: Annotated[str, Field(min_length=1, max_length=200, description="What was pruned.")]
    seed: int = 0
    run: Annotated[str, Field(max_length=64, description="Digest of the run.")] = ""

    @property
    def label(self) -> str:
        """How messages and subset files call the search."""
        return f"{self.config} seed {self.seed}"
