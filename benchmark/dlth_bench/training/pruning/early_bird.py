"""Early-bird stopping: a training ends once the mask that pruning would take from it hardly changes any more."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dlth_bench.spec.prac import EarlyBirdSpec
from dlth_bench.training.pruning.masks import Mask


def mask_distance(one: Mask, other: Mask) -> int:
    """Hamming distance: how many weights are live in exactly one of the masks."""
    return sum(int((live ^ other.live[name]).sum()) for name, live in one.live.items())


def is_settled(distances: Sequence[float], spec: EarlyBirdSpec) -> bool:
    """Whether masks have settled after these distances of one epoch to the next.

    Those before the first large one do not count: at the small rates of a warm-up masks do not move, either.
    """
    moved = next((index for index, distance in enumerate(distances) if distance >= spec.distance), None)
    last = distances[-spec.patience :]
    if moved is None or len(distances) - moved <= spec.patience:
        return False
    return all(distance < spec.distance for distance in last)


class MaskHistory:
    """The distances of the masks of a training's epochs, each to that of the epoch before.

    Args:
        live: weights that are live in the training, which distances are shares of.
    """

    def __init__(self, live: int) -> None:
        self.live = live
        self.mask: Mask | None = None
        self.distances: list[float] = []

    def add(self, mask: Mask) -> None:
        """Note the mask after an epoch."""
        if self.mask is not None:
            self.distances.append(mask_distance(mask, self.mask) / self.live)
        self.mask = mask

    def state(self) -> dict[str, torch.Tensor]:
        """As tensors that a checkpoint holds."""
        masks = {} if self.mask is None else {f"mask/{name}": live for name, live in self.mask.live.items()}
        return {"distances": torch.tensor(self.distances, dtype=torch.float64), **masks}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse of ``state``."""
        self.distances = state["distances"].tolist()
        live = {name.removeprefix("mask/"): mask for name, mask in state.items() if name.startswith("mask/")}
        self.mask = Mask(live) if live else None
