"""The texts of AG News as token IDs, from Parquet files as on the Hugging Face Hub.

Columns: ``text``, a title and the beginning of the article; ``label``, whose names stand in the file's metadata.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from dlth_bench.datasets.agnews.catalog import agnews_catalog
from dlth_bench.datasets.agnews.tokens import build_vocabulary, encode
from dlth_bench.datasets.base import ImageArrays, Split, TextDataset
from dlth_bench.datasets.labelled_parquet import Labels, Layout, class_rows, hub_folder, split_paths
from dlth_bench.datasets.location import dataset_folder
from dlth_bench.datasets.token_sequences import TokenSequences
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.samples import SampleCatalog

HUB_ID = "fancyzhx/ag_news"
REVISION = "eb185aade064a813bc0b7f42de02595523103ca4"
"""The commit that made the dataset Parquet, pinned so that it cannot change under a result."""

_TITLE = "AG News"
_LAYOUT = Layout(samples="text", labels="label", like=HUB_ID)


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """One split in the files' order: texts, and int64 labels (samples,)."""

    texts: tuple[str, ...]
    labels: Labels


class AGNews(TextDataset):
    """AG News; the Hub's ``test`` split is the validation split.

    Texts are read when they are first needed and tokenized in seconds; the vocabulary is that of the whole training
    split, whatever is asked for (see ``tokens``).

    Args:
        folder: of the Parquet files; None: ``agnews`` in ``DLTH_BENCH_DATA`` or else the Hub.
    """

    name = "agnews"

    def __init__(self, folder: Path | None = None) -> None:
        self._given_folder = folder

    @cached_property
    def folder(self) -> Path:
        """Where the files are; downloads them when they are nowhere else."""
        return self._given_folder or dataset_folder(self.name) or hub_folder(self.name, HUB_ID, REVISION)

    @property
    def catalog(self) -> ClassCatalog:
        return agnews_catalog()

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over class IDs and, split by split in the files' order, labels and texts in UTF-8.

        It does not depend on how the texts are compressed or spread over files.
        """
        digest = hashlib.sha256(" ".join(self.catalog.ids).encode())
        for split in (self._train, self._val):
            digest.update(len(split.labels).to_bytes(8, "little"))
            digest.update(split.labels.astype("<i8").tobytes())
            for text in split.texts:
                encoded = text.encode()
                digest.update(len(encoded).to_bytes(8, "little"))
                digest.update(encoded)
        return digest.hexdigest()

    @property
    def vocabulary_size(self) -> int:
        return len(self._vocabulary)

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The token IDs of the given classes' texts, class by class in the given order; IDs like ``Sports/000042``.

        The number is the sample's row in its split. ``images_per_class`` keeps the first so many of each class.

        Raises:
            InputError: a class is none of the catalog's or has no texts, ``images_per_class`` is not positive, or the
                files are missing or broken.
        """
        stored = self._train if split == "train" else self._val
        positions = [self.catalog.position(class_id) for class_id in class_ids]
        rows = class_rows(stored.labels, positions, images_per_class)
        for class_id, found in zip(class_ids, rows, strict=True):
            if not len(found):
                raise InputError(f"the {split} split has no texts of {class_id}", source=self.folder)
        labels = np.repeat(np.arange(len(rows), dtype=np.int64), [len(found) for found in rows])
        encoded = self._train_tokens if split == "train" else self._val_tokens
        return ImageArrays(encoded[np.concatenate(rows)], labels, self._sample_ids(positions, rows))

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training samples, class by class; see ``load``. Reads the labels and no text.

        Raises:
            InputError: ``images_per_class`` is not positive, or the files are missing or broken.
        """
        positions = list(range(len(self.catalog)))
        paths = split_paths(self.folder, "train", _TITLE)
        rows = class_rows(_LAYOUT.read_labels(paths, self.catalog, _TITLE), positions, images_per_class)
        labels = array("i", (label for label, found in enumerate(rows) for _ in found))
        return SampleCatalog(self.name, self._sample_ids(positions, rows), labels, self.catalog.ids, images_per_class)

    def _sample_ids(self, positions: list[int], rows: list[Labels]) -> tuple[str, ...]:
        ids = self.catalog.ids
        return tuple(f"{ids[p]}/{row:06d}" for p, found in zip(positions, rows, strict=True) for row in found)

    @cached_property
    def _train(self) -> LabelledTexts:
        return _read_split(self.folder, "train", self.catalog)

    @cached_property
    def _val(self) -> LabelledTexts:
        return _read_split(self.folder, "test", self.catalog)

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return build_vocabulary(self._train.texts)

    @cached_property
    def _train_tokens(self) -> TokenSequences:
        return encode(self._train.texts, self._vocabulary)

    @cached_property
    def _val_tokens(self) -> TokenSequences:
        return encode(self._val.texts, self._vocabulary)


def _read_split(folder: Path, split: str, catalog: ClassCatalog) -> LabelledTexts:
    paths = split_paths(folder, split, _TITLE)
    texts = tuple(text for path in paths for text in _texts_of(path))
    return LabelledTexts(texts, _LAYOUT.read_labels(paths, catalog, _TITLE))


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
