"""Token sequences of different lengths in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class TokenSequences:
    """Token IDs of texts.

    tokens: int32 (tokens of all texts together,).
    offsets: int64 (texts + 1,), where each text begins, and at last the end.
    """

    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> TokenSequences:
        """The texts of some rows, in their order."""
        chosen = np.asarray(rows, dtype=np.int64)
        starts, lengths = self.offsets[chosen], np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        where = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return TokenSequences(self.tokens[where], offsets)
