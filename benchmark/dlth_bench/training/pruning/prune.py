"""One pruning: from a network and its mask to a sparser mask, by the score that a spec names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dlth_bench.spec.pruning import GraspScore, ScoreSpec, SnipScore
from dlth_bench.training.augment import Pixels
from dlth_bench.training.loop import Diverged
from dlth_bench.training.methods.base import Method
from dlth_bench.training.methods.supervised import as_classifier
from dlth_bench.training.pruning.grasp import grasp_scores
from dlth_bench.training.pruning.magnitude import magnitude_scores
from dlth_bench.training.pruning.masks import Mask, ScoresNotFinite, keep_highest
from dlth_bench.training.pruning.random_masks import random_erk_mask, random_mask
from dlth_bench.training.pruning.scoring_samples import Batch, scoring_batches
from dlth_bench.training.pruning.snip import snip_scores
from dlth_bench.training.pruning.synflow import synflow_scores
from dlth_bench.training.samples import Samples
from dlth_bench.training.seeds import global_stream, stream_seed


@dataclass(frozen=True)
class Scorer:
    """Scores of one run: by which rule, on which samples, and from which seed.

    Attributes:
        samples, labels: what the search is trained on.
    """

    spec: ScoreSpec
    samples: Samples
    labels: Tensor
    pixels: Pixels
    seed: int

    def prune(self, method: Method, mask: Mask, count: int, level: int) -> Mask:
        """The mask of the ``count`` highest scores among the live weights of ``method``, which becomes useless.

        Args:
            level: the round, for what is drawn.

        Raises:
            Diverged: the scores are not finite.
        """
        generator = torch.Generator().manual_seed(stream_seed(self.seed, "score", level))
        match self.spec.kind:
            case "random":
                return random_mask(mask, count, generator)
            case "random_erk":
                return random_erk_mask(mask, count, generator)
        shots = self.spec.shots if self.spec.kind == "synflow" else 1
        scores = self._scores(method, generator)
        with global_stream(self.seed, "score/model"):  # dropout and stochastic depth
            for target in shot_counts(mask.count, count, shots):
                mask.apply(method)
                try:
                    mask = keep_highest(scores(), mask, target)
                except ScoresNotFinite as error:
                    raise Diverged(str(error)) from None
        return mask

    def _scores(self, method: Method, generator: torch.Generator) -> Callable[[], dict[str, Tensor]]:
        match self.spec:
            case SnipScore() as spec:
                batches = self._batches(spec, generator)
                return lambda: snip_scores(as_classifier(method), batches)
            case GraspScore() as spec:
                batches, temperature = self._batches(spec, generator), spec.temperature
                return lambda: grasp_scores(as_classifier(method), batches, temperature)
        if self.spec.kind == "synflow":
            return lambda: synflow_scores(as_classifier(method), self.pixels.channels, self.pixels.input_size)
        return lambda: magnitude_scores(method)

    def _batches(self, spec: SnipScore | GraspScore, generator: torch.Generator) -> list[Batch]:
        per_class = spec.samples_per_class
        return scoring_batches(self.samples, self.labels, self.pixels, per_class=per_class, generator=generator)


def shot_counts(live: int, count: int, shots: int) -> list[int]:
    """How many weights are left after each of some scorings: an exponential path to ``count`` (Tanaka et al. 2020)."""
    return [round(live * (count / live) ** (shot / shots)) for shot in range(1, shots)] + [count]
