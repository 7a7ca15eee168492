"""Recording how a model that learns from labels sees its training samples, epoch by epoch.

A recorder only looks: it evaluates between two steps, in evaluation mode, where nothing is drawn and no statistic is
updated, so a watched run ends with the same weights as an unwatched one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.runs.dynamics_file import Convention
from dlth_bench.training.evaluation import BATCH
from dlth_bench.training.loop import Diverged
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.samples import in_order
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.training.views.augment import Pixels, unaugmented


class DynamicsRecorder:
    """Watches a stage that learns from labels, of images or texts; call ``after_step`` after each of its steps.

    Args:
        convention: when ``correct`` is read; see `runs.dynamics_file`.

    Raises:
        ValueError: the stage learns without labels, is shorter than an epoch, or mixes samples, so that a presented
            one has no label of its own to be right about.
    """

    def __init__(self, stage: Stage, pixels: Pixels, convention: Convention = "epoch-end") -> None:
        if not isinstance(stage.method, (Supervised, TextClassifier)):
            raise ValueError(f"stage {stage.name} learns without labels")
        mixing = isinstance(stage.method, Supervised) and stage.method.mixing.active
        if convention == "minibatch" and mixing:
            raise ValueError("a mixed batch has no presentation of a single sample; take the convention epoch-end")
        self.stage, self.method, self.pixels = stage, stage.method, pixels
        self.batches = Batches(stage)
        if stage.steps < self.batches.per_epoch:
            raise ValueError(f"stage {stage.name} is shorter than an epoch")
        self.epochs: list[dict[str, Tensor]] = []
        self.features = torch.empty(0)
        self.training_logits = torch.empty(0)
        self.presented: Tensor | None = None
        if convention == "minibatch":
            self.presented = torch.zeros_like(stage.labels, dtype=torch.bool)
            self.method.head.register_forward_hook(self._keep_logits)

    def after_step(self, step: int) -> None:
        """Reads what the step showed and, if it was the last of an epoch, evaluates all training samples.

        Raises:
            Diverged: the scores are no longer finite.
        """
        if self.presented is not None:
            picked = self.batches.at(step)
            self.presented[picked] = self.training_logits.argmax(1) == self.stage.labels[picked]
        if (step + 1) % self.batches.per_epoch == 0:
            # An incomplete epoch at the end is not recorded: those of all samples are equally long.
            self._evaluate(final=step + self.batches.per_epoch >= self.stage.steps)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """The tensors of `runs.dynamics_file`: those of an epoch (epochs, samples), features (samples, dimensions)."""
        stacked = {name: torch.stack([epoch[name] for epoch in self.epochs]) for name in self.epochs[0]}
        return {name: tensor.numpy() for name, tensor in (stacked | {"features": self.features}).items()}

    def _keep_logits(self, head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        if self.method.training:
            self.training_logits = logits.detach()

    @torch.no_grad()
    def _evaluate(self, *, final: bool) -> None:
        seen: list[Tensor] = []
        hook = _last_linear(self.method).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        self.method.eval()
        scores = []
        for logits, labels in zip(self._logits(), torch.split(self.stage.labels, BATCH), strict=True):
            scores.append(sample_scores(logits, labels))
            if not final:
                seen.clear()
        self.method.train()
        hook.remove()
        epoch = {name: torch.cat([batch[name] for batch in scores]).cpu() for name in scores[0]}
        if not torch.isfinite(epoch["margin"]).all():
            raise Diverged(f"the scores are not finite after epoch {len(self.epochs) + 1}")
        if self.presented is not None:
            epoch["correct"] = self.presented.to(torch.uint8).cpu()
        self.epochs.append(epoch)
        if final:
            self.features = _halved(torch.cat(seen).cpu())

    def _logits(self) -> Iterator[Tensor]:
        """Class scores of all training samples, those held out too, in batches of `BATCH`."""
        if isinstance(self.method, TextClassifier):
            texts: Any = self.stage.samples
            yield from (self.method.logits(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH))
        else:
            for images in in_order(self.stage.samples, BATCH):
                yield self.method.logits(unaugmented(images, self.pixels))


def sample_scores(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Of each sample (batch,), what `runs.dynamics_file` says: correct, error_norm, entropy, confidence and margin.

    From logits (batch, classes) and labels int64 (batch,).
    """
    probabilities = logits.float().softmax(1)
    own = F.one_hot(labels, logits.shape[1])
    others = logits.float().masked_fill(own.bool(), -torch.inf).amax(1)
    return {
        "correct": (logits.argmax(1) == labels).to(torch.uint8),
        "error_norm": (probabilities - own).norm(dim=1),
        "entropy": torch.special.entr(probabilities).sum(1),
        "confidence": probabilities.amax(1),
        "margin": logits.float().gather(1, labels[:, None]).squeeze(1) - others,
    }


def _last_linear(method: Supervised | TextClassifier) -> nn.Linear:
    """The classifier that is evaluated; what goes into it is the penultimate feature."""
    network: nn.Module = method.head
    if isinstance(method, Supervised) and method.weight_average is not None:
        network = method.average
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def _halved(features: Tensor) -> Tensor:
    """float16 where it can hold the values."""
    halved = features.half()
    return halved if torch.isfinite(halved).all() else features.float()
