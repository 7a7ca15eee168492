"""Text classification by the mean of word embeddings and a linear layer (appendix I; Joulin et al. 2017)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.protocols.recipe import EmbeddingBagSpec
from dlth_bench.training.methods.method import Method, Moment, Views
from dlth_bench.training.parallel.processes import BatchSplit
from dlth_bench.training.samples import TokenSamples

BATCH = 1024
"""Texts scored at once."""


class TextClassifier(Method):
    """``EmbeddingBag`` and a linear layer trained together, both initialised uniformly, the bias with zeros.

    The original asks for dense gradients of the embedding; these are sparse, which is the same under SGD without
    momentum and decay and touches only the rows that a batch has.

    Args:
        vocabulary: how many token IDs there are.
    """

    encoder: nn.EmbeddingBag
    sparse = True
    couples = "its texts are looked up together"

    def __init__(self, spec: EmbeddingBagSpec, vocabulary: int, classes: int) -> None:
        super().__init__()
        self.encoder = nn.EmbeddingBag(vocabulary, spec.dim, mode="mean", sparse=True)
        self.head = nn.Linear(spec.dim, classes)
        nn.init.uniform_(self.encoder.weight, -spec.init_range, spec.init_range)
        nn.init.uniform_(self.head.weight, -spec.init_range, spec.init_range)
        nn.init.zeros_(self.head.bias)

    def share(self, split: BatchSplit) -> None:
        # Sparse gradients cannot be averaged over every kind of device.
        self.sparse = self.encoder.sparse = False
        super().share(split)

    def views(self, images: TokenSamples, generator: torch.Generator) -> Views:
        """Tokens and offsets of a batch, as they are."""
        return images.bags()

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        return F.cross_entropy(self.head(self.encoder(*views)), labels)

    @torch.no_grad()
    def logits(self, texts: Any) -> Tensor:
        """Class scores (texts, classes) of `TokenSamples`."""
        parts = [texts[start : start + BATCH].bags() for start in range(0, len(texts), BATCH)]
        return torch.cat([self.head(self.encoder(*part)) for part in parts])

    def accuracy(self, texts: Any, labels: Tensor) -> float:
        """Share of texts whose highest score is at their label, int64 (texts,)."""
        return (self.logits(texts).argmax(1) == labels).double().mean().item()
