"""What PrAC watches in a level: which samples are forgotten, and whether the mask has settled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dlth_bench.spec.prac import EarlyBirdSpec
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.pruning.early_bird import MaskHistory, is_settled
from dlth_bench.training.pruning.forgetting import Forgetting
from dlth_bench.training.pruning.masks import Mask
from dlth_bench.training.stage import Batches, Stage


class PracObserver:
    """Watches the training of a level; see `training.observer`.

    A sample is right if the level's own forward pass for the update predicts it: augmented, with the batch's
    statistics, before the update.

    Args:
        stage: of a method that mixes no samples; its weights are watched, not its checkpoints.
        early_bird: when the level ends early; None: never.
        pruned: the mask that pruning would leave now.
        live: weights that are live in the level.
    """

    def __init__(
        self, stage: Stage, early_bird: EarlyBirdSpec | None, pruned: Callable[[], Mask], *, live: int
    ) -> None:
        if not isinstance(stage.method, Supervised) or stage.method.mixing.active:
            raise ValueError(f"stage {stage.name} has no presentation of a single sample with a label")
        self.stage, self.early_bird, self.pruned = stage, early_bird, pruned
        self.forgetting = Forgetting.none(len(stage.labels), stage.labels.device)
        self.masks = MaskHistory(live)
        self._batches = Batches(stage)
        self._warm_from = round(stage.spec.optimizer.warmup * stage.steps)
        self._logits = torch.empty(0)
        self._hook = stage.method.head.register_forward_hook(self._keep_logits)
        self._method = stage.method

    def begin(self) -> None:
        """Nothing was presented yet."""

    def after_step(self, step: int) -> bool:
        """Notes who was right; after an epoch, whether the masks of the last ones are alike."""
        picked = self._batches.at(step)
        self.forgetting.present(picked, self._logits.argmax(1) == self.stage.labels[picked])
        ends_epoch = (step + 1) % self._batches.per_epoch == 0
        if self.early_bird is None or not ends_epoch or step < self._warm_from:
            return False
        self.masks.add(self.pruned())
        return is_settled(self.masks.distances, self.early_bird)

    def state(self) -> dict[str, Tensor]:
        return self.forgetting.state() | self.masks.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        self.forgetting.restore(state)
        self.masks.restore(state)

    def close(self) -> None:
        """Look no more."""
        self._hook.remove()

    def _keep_logits(self, head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        if self._method.training:
            self._logits = logits.detach()
