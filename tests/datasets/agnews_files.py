"""Parquet files with AG News's columns and metadata, as `datasets` writes them, of generated texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

TOPICS = ("World", "Sports", "Business", "Sci/Tech")


def generated(split: str, per_class: int, words: int = 40, vocabulary: int = 2000) -> tuple[list[str], list[int]]:
    """Texts and labels in shuffled order; a third of a text's words are of its class's part of the vocabulary.

    Words are drawn by Zipf's law, as in English, so that most of a large vocabulary is rare.
    """
    numbers = np.random.default_rng([len(split), per_class])
    labels = numbers.permutation(np.repeat(np.arange(4), per_class))
    ranks = np.arange(1, vocabulary + 1)
    common = numbers.choice(vocabulary, p=(1 / ranks) / (1 / ranks).sum(), size=(len(labels), words))
    own = numbers.random((len(labels), words)) < 1 / 3
    drawn = np.where(own, common // 4 * 4 + labels[:, None], common)
    lengths = numbers.integers(words // 2, words + 1, size=len(labels))
    texts = [" ".join(f"w{word}" for word in row[:length]) for row, length in zip(drawn, lengths, strict=True)]
    return texts, labels.tolist()


def write_file(
    path: Path, texts: Sequence[str | None], labels: Sequence[int], names: Sequence[str] | None = TOPICS
) -> None:
    """One Parquet file; ``names`` None leaves out the metadata of `datasets`."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.int64())})
    if names is not None:
        features = {"text": {"_type": "Value"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def write_dataset(folder: Path, train: int = 100, test: int = 20, words: int = 40, vocabulary: int = 2000) -> Path:
    """A folder like the Hub's repository, with so many texts a class and split."""
    for split, per_class in (("train", train), ("test", test)):
        texts, labels = generated(split, per_class, words, vocabulary)
        write_file(folder / "data" / f"{split}-00000-of-00001.parquet", texts, labels)
    return folder
