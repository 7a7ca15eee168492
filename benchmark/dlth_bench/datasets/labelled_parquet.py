"""Parquet files of labelled samples as `datasets` writes them: where they are, and what their labels say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.hub import INSTALL
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

Labels = npt.NDArray[np.int64]


def split_paths(folder: Path, split: str, title: str) -> list[Path]:
    """The files of a split, whose names begin with ``train`` or ``test``, sorted.

    Args:
        title: the dataset's name as people write it, for the message.
    """
    paths = sorted(folder.rglob(f"{split}*.parquet"))
    if not paths:
        raise InputError(f"no {split}*.parquet here; {title} is one such file a split", source=folder)
    return paths


@dataclass(frozen=True)
class Layout:
    """The columns of a dataset's files: that of samples, that of labels, and the repository to compare with."""

    samples: str
    labels: str
    like: str

    @contextmanager
    def opened(self, path: Path) -> Iterator[ParquetFile]:
        """The file with the columns that are needed; what is wrong with it, in one line."""
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise InputError(f"reading Parquet needs pyarrow: {INSTALL}") from None
        try:
            with parquet.ParquetFile(path) as file:
                if not {self.samples, self.labels} <= set(file.schema_arrow.names):
                    message = f"needs the columns {self.samples} and {self.labels}, as in {self.like}"
                    raise InputError(message, source=path)
                yield file
        except (pyarrow.ArrowException, OSError) as error:
            reason = printable(str(error).strip().partition("\n")[0])
            raise InputError(f"not a readable Parquet file: {reason}", source=path) from None

    def read_labels(self, paths: Sequence[Path], catalog: ClassCatalog, title: str) -> Labels:
        """The labels of all rows, int64 (samples,); where a file names its labels, the names must be the catalog's.

        Raises:
            InputError: a file that is broken or of another dataset; names file and row.
        """
        return np.concatenate([self._labels_of(path, catalog, title) for path in paths])

    def _labels_of(self, path: Path, catalog: ClassCatalog, title: str) -> Labels:
        with self.opened(path) as file:
            self._check_names(path, file, catalog, title)
            labels = file.read(columns=[self.labels]).column(self.labels).to_pylist()
        for row, label in enumerate(labels):
            if not isinstance(label, int) or not 0 <= label < len(catalog):
                problem = f"row {row}: the {self.labels} {quoted(str(label))} is not 0 to {len(catalog) - 1}"
                raise InputError(problem, source=path)
        return np.array(labels, dtype=np.int64)

    def _check_names(self, path: Path, file: ParquetFile, catalog: ClassCatalog, title: str) -> None:
        """Refuse a file whose label names, which `datasets` keeps in its metadata, are others or in another order."""
        metadata = (file.schema_arrow.metadata or {}).get(b"huggingface")
        try:
            feature = json.loads(metadata)["info"]["features"][self.labels] if metadata else {}
            own = feature.get("names")
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # metadata of another writer says nothing
        if not isinstance(own, list):
            return
        names = [str(name).replace("/", "-") for name in own]  # an ID has no slash: AG News's Sci/Tech
        if [catalog.index(name) for name in names] != list(range(len(catalog))):
            stranger = next((name for name in names if catalog.index(name) is None), None)
            what = "in another order or number" if stranger is None else f"such as {quoted(stranger)}"
            raise InputError(f"its {self.labels} has other names than {title}'s, {what}", source=path)


def class_rows(labels: Labels, positions: Sequence[int], per_class: int | None) -> list[Labels]:
    """The rows of each class, the first so many (None: all).

    Raises:
        InputError: ``per_class`` is not positive.
    """
    if per_class is not None and per_class < 1:
        raise InputError(f"images_per_class is {per_class}; it must be at least 1")
    return [np.flatnonzero(labels == position)[:per_class] for position in positions]
