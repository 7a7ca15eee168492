"""Forgetting events as training sees them: of each sample as presented, before the update (Toneva et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Forgetting:
    """What a training did to each sample so far; one it was not shown is neither learned nor forgotten.

    Attributes:
        right: bool (samples,), predicted correctly when last presented.
        learned: bool (samples,), predicted correctly at least once.
        events: int32 (samples,), how often it was right when presented and wrong the next time.
    """

    right: Tensor
    learned: Tensor
    events: Tensor

    @classmethod
    def none(cls, samples: int, device: torch.device) -> Self:
        """Before the first presentation."""
        right = torch.zeros(samples, dtype=torch.bool, device=device)
        return cls(right, right.clone(), torch.zeros(samples, dtype=torch.int32, device=device))

    def present(self, positions: Tensor, correct: Tensor) -> None:
        """Note a batch.

        Args:
            positions: int64 (batch,), each once.
            correct: bool (batch,).
        """
        self.events[positions] += (self.right[positions] & ~correct).int()
        self.learned[positions] |= correct
        self.right[positions] = correct

    def state(self) -> dict[str, Tensor]:
        """As tensors that a checkpoint holds."""
        return {"right": self.right, "learned": self.learned, "events": self.events}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of ``state``."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def hard(self, max_forgets: int) -> Tensor:
        """Samples with more events than that, and those never learned, bool (samples,)."""
        return (self.events > max_forgets) | ~self.learned
