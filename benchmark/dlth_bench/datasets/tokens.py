"""Texts to token IDs: the normalisation and vocabulary of the text classification tutorial of PyTorch.

Source: ``beginner_source/text_sentiment_ngrams_tutorial.py`` of pytorch/tutorials at commit 51309670. It tokenizes by
torchtext's ``basic_english`` and numbers the tokens of the whole training split, so a subset is encoded with the full
data's vocabulary too: a word that the subset lacks keeps the embedding that it started with.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

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


UNKNOWN = "<unk>"
"""Token 0, which stands for every word that the training split lacks."""

_SPACED = {mark: f" {mark} " for mark in "'.,()!?"}
_MARKS = str.maketrans(_SPACED | {";": " ", ":": " "})


def basic_english(text: str) -> list[str]:
    """The lower-case tokens of a text, as ``get_tokenizer("basic_english")`` of torchtext gives them.

    Apostrophes, points, commas, parentheses, exclamation and question marks are tokens of their own; double quotes
    vanish; ``<br />``, semicolons, colons and white space separate.
    """
    return text.lower().replace('"', "").replace("<br />", " ").translate(_MARKS).split()


def build_vocabulary(texts: Iterable[str]) -> dict[str, int]:
    """Token IDs: 0 is `UNKNOWN`, then all tokens, the most frequent first and equally frequent ones by code point."""
    counts = Counter(chain.from_iterable(map(basic_english, texts)))
    ordered = sorted(counts, key=lambda token: (-counts[token], token))
    return {token: number for number, token in enumerate([UNKNOWN, *ordered])}


def encode(texts: Sequence[str], vocabulary: dict[str, int]) -> TokenSequences:
    """The token IDs of texts; a text without a token is an empty sequence."""
    tokens, ends = array("i"), array("q")
    for text in texts:
        tokens.extend(vocabulary.get(token, 0) for token in basic_english(text))
        ends.append(len(tokens))
    offsets = np.concatenate([[0], np.asarray(ends, dtype=np.int64)]).astype(np.int64)
    return TokenSequences(np.asarray(tokens, dtype=np.int32), offsets)
