"""The texts of AG News as token IDs, from Parquet files as on the Hugging Face Hub.

Columns: ``text``, a title and the beginning of the article; ``label``, whose names stand in the file's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from dlth_bench.datasets.catalog import ClassCatalog, Split
from dlth_bench.datasets.dataset import TextDataset
from dlth_bench.datasets.download import HubFiles
from dlth_bench.datasets.label_catalogs import agnews_catalog
from dlth_bench.datasets.parquet import LabelledParquetDataset, Labels, Layout
from dlth_bench.datasets.tokens import TokenSequences, build_vocabulary, encode
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted

HUB = HubFiles(
    name="agnews",
    repository="fancyzhx/ag_news",
    revision="eb185aade064a813bc0b7f42de02595523103ca4",  # the commit that made the dataset Parquet
    patterns=("*.parquet",),
    size_bytes=2e7,
)

_LAYOUT = Layout(samples="text", labels="label", like=HUB.repository)


class AGNews(LabelledParquetDataset, TextDataset):
    """AG News; IDs like ``Sports/000042``.

    Texts are read when they are first needed and tokenized in seconds; the vocabulary is that of the whole training
    split, whatever is asked for (see ``tokens``).
    """

    name = "agnews"
    title = "AG News"
    hub = HUB
    layout = _LAYOUT
    samples_are = "texts"
    row_digits = 6

    @property
    def catalog(self) -> ClassCatalog:
        return agnews_catalog()

    @property
    def vocabulary_size(self) -> int:
        return len(self._vocabulary)

    def _contents(self, split: Split) -> Iterator[bytes]:
        """Each text in UTF-8, its length in front."""
        for text in self._train_texts if split == "train" else self._val_texts:
            encoded = text.encode()
            yield len(encoded).to_bytes(8, "little")
            yield encoded

    def _read(self, split: Split, rows: Labels) -> TokenSequences:
        return (self._train_tokens if split == "train" else self._val_tokens)[rows]

    def _texts(self, split: Split) -> tuple[str, ...]:
        return tuple(text for path in self.split_files(split) for text in _texts_of(path))

    @cached_property
    def _train_texts(self) -> tuple[str, ...]:
        return self._texts("train")

    @cached_property
    def _val_texts(self) -> tuple[str, ...]:
        return self._texts("val")

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return build_vocabulary(self._train_texts)

    @cached_property
    def _train_tokens(self) -> TokenSequences:
        return encode(self._train_texts, self._vocabulary)

    @cached_property
    def _val_tokens(self) -> TokenSequences:
        return encode(self._val_texts, self._vocabulary)


def _texts_of(path: Path) -> list[str]:
    with _LAYOUT.opened(path) as file:
        texts = file.read(columns=["text"]).column("text").to_pylist()
    wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise InputError(f"row {wrong}: the text is {quoted(str(texts[wrong]))}, not a string", source=path)
    return list(texts)


@cache
def agnews() -> AGNews:
    """One instance a process, so that its files are read once."""
    return AGNews()
