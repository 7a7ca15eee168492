"""Token sequences of different lengths on the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlth_bench.datasets.token_sequences import TokenSequences


@dataclass(frozen=True)
class TokenSamples:
    """A batch, or a whole dataset, of texts; choosing some of them copies no token.

    tokens: int64 (tokens of all texts,).
    start: int64 (texts,), of the first token of each.
    length: int64 (texts,), how many tokens each has.
    """

    tokens: Tensor
    start: Tensor
    length: Tensor

    @classmethod
    def of(cls, sequences: TokenSequences, device: torch.device) -> TokenSamples:
        """The sequences on a device."""
        offsets = torch.from_numpy(sequences.offsets).to(device)
        # Embeddings are looked up faster by int64, and all tokens of AG News take 42 MB so.
        tokens = torch.from_numpy(sequences.tokens).to(device, torch.int64)
        return cls(tokens, offsets[:-1], offsets.diff())

    def __len__(self) -> int:
        return len(self.start)

    @property
    def device(self) -> torch.device:
        return self.tokens.device

    def __getitem__(self, positions: Tensor | slice) -> TokenSamples:
        """The texts at some positions, int64 (texts,) on the device, or in a slice."""
        return TokenSamples(self.tokens, self.start[positions], self.length[positions])

    def bags(self) -> tuple[Tensor, Tensor]:
        """The texts as ``EmbeddingBag`` takes them: tokens (all,) one text after the other, and offsets (texts,)."""
        ends = self.length.cumsum(0)
        offsets = ends - self.length
        total = int(ends[-1]) if len(ends) else 0
        shift = torch.repeat_interleave(self.start - offsets, self.length, output_size=total)
        return self.tokens[shift + torch.arange(total, device=self.device)], offsets
