"""Datasets of labelled images or texts in Parquet files, as `datasets` writes them and as they are on the Hub.

A column holds the samples: of images a struct whose ``bytes`` are an encoded image, else strings. Another holds the
labels, whose names stand in the file's metadata.
"""

from __future__ import annotations

import hashlib
import io
import json
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from dlth_bench.datasets.catalog import ClassCatalog, RowNumbers, SampleCatalog, Split
from dlth_bench.datasets.dataset import ImageArrays, TextDataset, kept
from dlth_bench.datasets.download import INSTALL, dataset_folder
from dlth_bench.datasets.entry import DatasetEntry
from dlth_bench.datasets.tokens import TokenSequences, build_vocabulary, encode
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


Labels = npt.NDArray[np.int64]


@contextmanager
def opened(path: Path) -> Iterator[ParquetFile]:
    """A Parquet file; what is wrong with it, in one line."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(f"reading Parquet needs pyarrow: {INSTALL}") from None
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        reason = printable(str(error).strip().partition("\n")[0])
        raise InputError(f"not a readable Parquet file: {reason}", source=path) from None


def label_names(file: ParquetFile, column: str) -> list[Any] | None:
    """The names of labels, which `datasets` keeps in a file's metadata; None where there are none to be read."""
    metadata = (file.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        names = json.loads(metadata)["info"]["features"][column].get("names") if metadata else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return names if isinstance(names, list) else None


def class_rows(labels: Labels, positions: Sequence[int], per_class: int | None) -> list[Labels]:
    """The rows of each class, the first so many (None: all).

    Raises:
        InputError: ``per_class`` is not positive.
    """
    if per_class is not None and per_class < 1:
        raise InputError(f"images_per_class is {per_class}; it must be at least 1")
    return [np.flatnonzero(labels == position)[:per_class] for position in positions]


FILE_PREFIXES: dict[Split, str] = {"train": "train", "val": "test"}
"""How the names of a split's files begin; the Hub's ``test`` split is the validation split."""


class LabelledParquetDataset(ABC):
    """A dataset of one kind of sample; what samples are, and how they are read, is its subclass's.

    Args:
        entry: of the dataset, with a Hub repository, columns and samples that are called by their rows.
        folder: of the Parquet files; None: the one named like the dataset in ``DLTH_BENCH_DATA``, or else the Hub.

    Raises:
        ValueError: the entry lacks one of these.
    """

    def __init__(self, entry: DatasetEntry, folder: Path | None = None) -> None:
        names = entry.sample_names
        if entry.hub is None or entry.columns is None or not isinstance(names, RowNumbers):
            raise ValueError(f"{entry.name}: Parquet files need a Hub repository, columns and RowNumbers")
        self.name, self._entry, self._given_folder = entry.name, entry, folder
        self._hub, self._columns, self._row_digits = entry.hub, entry.columns, names.digits

    @property
    def catalog(self) -> ClassCatalog:
        return self._entry.catalog()

    @abstractmethod
    def _contents(self, split: Split) -> Iterable[bytes]:
        """What the samples of a split are, in the files' order, for the digest."""

    @abstractmethod
    def _read(self, split: Split, rows: Labels) -> npt.NDArray[np.uint8] | TokenSequences:
        """The samples of some rows of a split, int64 (samples,)."""

    @cached_property
    def folder(self) -> Path:
        """Where the files are; downloads them when they are nowhere else."""
        return self._given_folder or dataset_folder(self.name) or self._hub.folder()

    def split_files(self, split: Split) -> list[Path]:
        """The files of a split, whose names begin with ``train`` or ``test``, sorted.

        Raises:
            InputError: there is none.
        """
        pattern = f"{FILE_PREFIXES[split]}*.parquet"
        paths = sorted(self.folder.rglob(pattern))
        if not paths:
            raise InputError(f"no {pattern} here; {self._entry.title} is one such file a split", source=self.folder)
        return paths

    @contextmanager
    def _opened(self, path: Path) -> Iterator[ParquetFile]:
        """A file that has the columns that are needed."""
        samples, labels = self._columns.samples, self._columns.labels
        with opened(path) as file:
            if not {samples, labels} <= set(file.schema_arrow.names):
                message = f"needs the columns {samples} and {labels}, as in {self._hub.repository}"
                raise InputError(message, source=path)
            yield file

    def _samples_in(self, path: Path) -> list[Any]:
        """The cells of a file's column of samples."""
        with self._opened(path) as file:
            cells: list[Any] = file.read(columns=[self._columns.samples]).column(self._columns.samples).to_pylist()
        return cells

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over class IDs and, split by split in the files' order, labels and samples.

        It does not depend on how the samples are compressed or spread over files.
        """
        digest = hashlib.sha256(" ".join(self.catalog.ids).encode())
        for split in FILE_PREFIXES:
            labels = self.labels(split)
            digest.update(len(labels).to_bytes(8, "little"))
            digest.update(labels.astype("<i8").tobytes())
            for content in self._contents(split):
                digest.update(content)
        return digest.hexdigest()

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The samples of the given classes, class by class in the given order; IDs like ``apple/00042``.

        The number is the sample's row in its split. ``images_per_class`` keeps the first so many of each class.

        Raises:
            InputError: a class is none of the catalog's or has no samples, ``images_per_class`` is not positive, or
                the files are missing or broken.
        """
        positions = [self.catalog.position(class_id) for class_id in class_ids]
        rows = class_rows(self.labels(split), positions, images_per_class)
        for class_id, found in zip(class_ids, rows, strict=True):
            if not len(found):
                problem = f"the {split} split has no {self._entry.holds} of {class_id}"
                raise InputError(problem, source=self.folder)
        labels = np.repeat(np.arange(len(rows), dtype=np.int64), [len(found) for found in rows])
        return ImageArrays(self._read(split, np.concatenate(rows)), labels, self._sample_ids(positions, rows))

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training samples, class by class; see ``load``. Reads the labels and no sample.

        Raises:
            InputError: ``images_per_class`` is not positive, or the files are missing or broken.
        """
        positions = list(range(len(self.catalog)))
        rows = class_rows(self.labels("train"), positions, images_per_class)
        labels = array("i", (label for label, found in enumerate(rows) for _ in found))
        return SampleCatalog(self.name, self._sample_ids(positions, rows), labels, self.catalog.ids, images_per_class)

    @kept
    def labels(self, split: Split) -> Labels:
        """The labels of a split in the files' order, int64 (samples,).

        Where a file names its labels, the names must be the catalog's.

        Raises:
            InputError: a file that is broken or of another dataset; names file and row.
        """
        return np.concatenate([self._labels_in(path) for path in self.split_files(split)])

    def _labels_in(self, path: Path) -> Labels:
        column, classes = self._columns.labels, len(self.catalog)
        with self._opened(path) as file:
            self._check_names(path, label_names(file, column))
            labels = file.read(columns=[column]).column(column).to_pylist()
        for row, label in enumerate(labels):
            if not isinstance(label, int) or not 0 <= label < classes:
                problem = f"row {row}: the {column} {quoted(str(label))} is not 0 to {classes - 1}"
                raise InputError(problem, source=path)
        return np.array(labels, dtype=np.int64)

    def _check_names(self, path: Path, found: list[Any] | None) -> None:
        """Refuse a file whose label names are others or in another order."""
        if found is None:
            return
        names = [str(name).replace("/", "-") for name in found]  # an ID has no slash: AG News's Sci/Tech
        if [self.catalog.index(name) for name in names] != list(range(len(self.catalog))):
            stranger = next((name for name in names if self.catalog.index(name) is None), None)
            what = "in another order or number" if stranger is None else f"such as {quoted(stranger)}"
            problem = f"its {self._columns.labels} has other names than {self._entry.title}'s, {what}"
            raise InputError(problem, source=path)

    def _sample_ids(self, positions: list[int], rows: list[Labels]) -> tuple[str, ...]:
        ids, digits = self.catalog.ids, self._row_digits
        return tuple(f"{ids[p]}/{row:0{digits}d}" for p, found in zip(positions, rows, strict=True) for row in found)


SIDE = 32
"""Of the images that are read here, in pixels."""


class SmallImages(LabelledParquetDataset):
    """Images of 32 x 32 pixels in colour; IDs like ``apple/00042``.

    A split is decoded when it is first needed, in seconds, and kept: of CIFAR 154 MB for training, 31 MB for
    validation.
    """

    image_size = SIDE
    channels = 3

    def _contents(self, split: Split) -> Iterator[bytes]:
        yield self._images(split).tobytes()

    def _read(self, split: Split, rows: Labels) -> npt.NDArray[np.uint8]:
        return self._images(split)[rows]

    @kept
    def _images(self, split: Split) -> npt.NDArray[np.uint8]:
        """All images of a split, uint8 (samples, 3, 32, 32) in the files' order."""
        return np.concatenate([self._images_in(path) for path in self.split_files(split)])

    def _images_in(self, path: Path) -> npt.NDArray[np.uint8]:
        images = [_decoded(image, path, row) for row, image in enumerate(self._samples_in(path))]
        return np.stack(images) if images else np.empty((0, 3, SIDE, SIDE), np.uint8)


def _decoded(image: Any, path: Path, row: int) -> npt.NDArray[np.uint8]:
    """uint8 (3, 32, 32) of a struct with the encoded bytes."""
    encoded = image.get("bytes") if isinstance(image, dict) else None
    if not isinstance(encoded, bytes):
        raise InputError(f"row {row}: the image is not stored in the file", source=path)
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"row {row}: the image cannot be decoded", source=path) from None
    if pixels.shape != (SIDE, SIDE, 3):
        size = "x".join(map(str, pixels.shape[:2]))
        raise InputError(f"row {row}: the image is {size}, not {SIDE}x{SIDE}", source=path)
    return pixels.transpose(2, 0, 1)


class ParquetTexts(LabelledParquetDataset, TextDataset):
    """Texts as token IDs; IDs like ``Sports/000042``.

    Texts are read when they are first needed and tokenized in seconds; the vocabulary is that of the whole training
    split, whatever is asked for (see ``tokens``).
    """

    @property
    def vocabulary_size(self) -> int:
        return len(self._vocabulary)

    def _contents(self, split: Split) -> Iterator[bytes]:
        """Each text in UTF-8, its length in front."""
        for text in self._texts(split):
            encoded = text.encode()
            yield len(encoded).to_bytes(8, "little")
            yield encoded

    def _read(self, split: Split, rows: Labels) -> TokenSequences:
        return self._tokens(split)[rows]

    @kept
    def _texts(self, split: Split) -> tuple[str, ...]:
        return tuple(text for path in self.split_files(split) for text in self._texts_in(path))

    def _texts_in(self, path: Path) -> list[str]:
        texts = self._samples_in(path)
        wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
        if wrong is not None:
            raise InputError(f"row {wrong}: the text is {quoted(str(texts[wrong]))}, not a string", source=path)
        return texts

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return build_vocabulary(self._texts("train"))

    @kept
    def _tokens(self, split: Split) -> TokenSequences:
        return encode(self._texts(split), self._vocabulary)
