"""The samples that a policy may choose from, shares of classes among them, and tables with a row for each sample.

A column ``sample`` has the IDs, a class's ID, a slash and a name; a column ``class``, if there is one, says the class
again. Made for a million rows, so a CSV file is streamed.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import ClassCatalog, SampleCatalog
from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.dynamics_file import Dynamics
from dlth_bench.selection.policy import Labels, Positions
from dlth_bench.subsets.subset import misnamed
from dlth_bench.util.errors import InputError
from dlth_bench.util.tables import read_parquet_columns
from dlth_bench.util.text import printable, quoted

DEFAULT_PROTOCOLS = {"glyphs": "glyphs-ssl"}
"""Whose training samples are chosen among where the user names no protocol; other datasets: all samples."""


def candidate_samples(
    dataset: str, *, protocol: str | None = None, table: Path | None = None, dynamics: Sequence[Dynamics] = ()
) -> SampleCatalog:
    """The samples to choose from.

    Args:
        protocol: whose training samples they must be.
        table: lists them, CSV or Parquet.
        dynamics: of models that were trained on them.

    Raises:
        InputError: the dataset, table, protocol and dynamics do not fit together, or nothing says which samples
            there are.
    """
    catalog = class_catalog(dataset)
    if table is not None:
        if dynamics:
            raise InputError("give --samples or --dynamics, not both: dynamics say which samples there are")
        return read_samples(table, catalog)
    if dynamics:
        _check_dynamics(dataset, protocol, dynamics)
        return dynamics[0].samples
    images_per_class = _images_per_class(dataset, protocol)
    try:
        return sample_catalog(dataset, images_per_class)
    except InputError as error:  # not at hand
        raise InputError(f"{error.message}; list its samples with --samples FILE") from None


def _images_per_class(dataset: str, protocol: str | None) -> int | None:
    name = protocol or DEFAULT_PROTOCOLS.get(dataset)
    if name is None:
        return None
    data = find_protocol(name).data
    if data.dataset != dataset:
        raise InputError(f"protocol {quoted(name)} is one of {data.dataset}, but the dataset is {dataset}")
    return data.images_per_class


def _check_dynamics(dataset: str, protocol: str | None, dynamics: Sequence[Dynamics]) -> None:
    classes = class_catalog(dataset)
    for recorded in dynamics:
        if recorded.header.dataset != dataset:
            raise recorded.error(f"holds dynamics on {recorded.header.dataset}, but the dataset is {dataset}")
        unknown = next((item for item in recorded.header.class_ids if item not in classes.ids), None)
        if unknown is not None:
            raise recorded.error(f"class {quoted(unknown)} is not one of {dataset}")
        if recorded.samples.sample_ids != dynamics[0].samples.sample_ids:
            raise recorded.error(f"holds other samples, or another order, than {dynamics[0].path.name}")
    known = _known_samples(dataset, protocol)
    ids = dynamics[0].samples.sample_ids
    stray = next((item for item in ids if known is not None and item not in known), None)
    if stray is not None:
        name = protocol or DEFAULT_PROTOCOLS.get(dataset, dataset)
        told = f"sample {quoted(stray)} is none that {name} trains on"
        raise dynamics[0].error(f"{told}; name the protocol of the dynamics with --protocol")


def _known_samples(dataset: str, protocol: str | None) -> frozenset[str] | None:
    """The IDs that a protocol trains on; None where the dataset is not at hand."""
    images_per_class = _images_per_class(dataset, protocol)
    try:
        return frozenset(sample_catalog(dataset, images_per_class).sample_ids)
    except InputError:
        return None


@dataclass(frozen=True)
class SampleTable:
    """A table with a row for each sample: its cells by column."""

    path: Path
    columns: dict[str, list[str]]

    @classmethod
    def read(cls, path: Path) -> SampleTable:
        return cls(path, read_parquet_columns(path) if _is_parquet(path) else _read_csv_columns(path))

    def error(self, message: str, row: int | None = None) -> InputError:
        """An error that names the file and, save in Parquet, the line of the row."""
        line = None if row is None or _is_parquet(self.path) else row + 2
        return InputError(message, source=self.path, line=line)

    def sample_ids(self) -> list[str]:
        """The column of sample IDs, each once."""
        ids = self.columns.get("sample")
        if ids is None:
            raise self.error("needs a column 'sample' of sample IDs")
        if not ids:
            raise self.error("lists no sample")
        if len(set(ids)) < len(ids):
            first: dict[str, int] = {}
            for row, sample_id in enumerate(ids):
                if first.setdefault(sample_id, row) != row:
                    raise self.error(f"lists sample {quoted(sample_id)} twice", row)
        return ids

    def positions(self, samples: SampleCatalog) -> Positions:
        """Where the samples of the rows, which must be all of the catalog, stand in it."""
        ids = self.sample_ids()
        rows = np.empty(len(ids), dtype=np.intp)
        for row, sample_id in enumerate(ids):
            position = samples.index(sample_id)
            if position is None:
                near = samples.closest(sample_id)
                hint = f"; did you mean {quoted(near)}?" if near else ""
                told = f"{quoted(sample_id)} is none of the {len(samples)} samples to choose from"
                raise self.error(f"{told}{hint}", row)
            rows[row] = position
        if len(rows) < len(samples):
            there = set(ids)
            missing = next(item for item in samples.sample_ids if item not in there)
            raise self.error(f"{len(samples) - len(rows)} samples are missing, such as {quoted(missing)}")
        return rows

    def fractions(self, column: str) -> npt.NDArray[np.float64]:
        """The cells of a column (samples,), from 0 to 1."""
        values = np.empty(len(self.columns[column]))
        for row, cell in enumerate(self.columns[column]):
            try:
                values[row] = float(cell)
            except ValueError:
                raise self.error(f"{quoted(column)}: {quoted(cell)} is not a number", row) from None
        outside = ~((values >= 0) & (values <= 1))  # NaN too
        if outside.any():
            row = int(outside.argmax())
            raise self.error(
                f"{quoted(column)}: {printable(self.columns[column][row], 30)} is not between 0 and 1", row
            )
        return values


def read_samples(path: Path, catalog: ClassCatalog) -> SampleCatalog:
    """The samples that a table lists, in its order.

    Raises:
        InputError: unreadable, no column ``sample``, no row, an ID that is listed twice, or one whose class is unknown
            or another than the table says.
    """
    table = SampleTable.read(path)
    ids = table.sample_ids()
    label_of = {class_id: label for label, class_id in enumerate(catalog.ids)}
    labels = array("i")
    for row, (sample_id, told) in enumerate(zip(ids, table.columns.get("class") or ids, strict=True)):
        class_id = sample_id.partition("/")[0]
        problem = misnamed(sample_id, class_id)
        if not problem and class_id not in label_of:
            problem = f"sample {quoted(sample_id)} is of no class of {catalog.dataset}; write {catalog.ids[0]}/<name>"
        if not problem and "class" in table.columns and catalog.index(told) != label_of[class_id]:
            problem = f"sample {quoted(sample_id)} is of class {class_id}, not {quoted(told)}"
        if problem:
            raise table.error(problem, row)
        labels.append(label_of[class_id])
    return SampleCatalog(catalog.dataset, tuple(ids), labels, catalog.ids)


def read_correctness(paths: Sequence[Path], samples: SampleCatalog) -> dict[str, npt.NDArray[np.float64]]:
    """Of each config in the tables, its accuracy (a fraction, mostly 0 or 1) on each sample, in the catalog's order.

    Every column but ``sample`` and ``class`` is a config.

    Raises:
        InputError: unreadable, no config, two of one name, a sample that is unknown, missing or listed twice, or a
            value that is not between 0 and 1.
    """
    pool: dict[str, npt.NDArray[np.float64]] = {}
    for path in paths:
        table = SampleTable.read(path)
        rows = table.positions(samples)
        configs = [column for column in table.columns if column not in ("sample", "class")]
        if not configs:
            raise table.error("needs a column for each config beside 'sample'")
        for config in configs:
            if config in pool:
                raise table.error(f"has a config {quoted(config)}, as another file has")
            pool[config] = np.empty(len(samples))
            pool[config][rows] = table.fractions(config)
    return pool


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in {".parquet", ".pq"}


def _read_csv_columns(path: Path) -> dict[str, list[str]]:
    """Cells by column; every line is a row, so that line numbers follow."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if len(set(header)) < len(header):
                raise InputError("has two columns of the same name", source=path, line=1)
            rows = []
            for cells in reader:
                if len(cells) != len(header):
                    message = f"has {len(cells)} fields where the header has {len(header)}"
                    raise InputError(message, source=path, line=reader.line_num)
                rows.append(cells)
    except FileNotFoundError:
        raise InputError("no such file", source=path) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is not a readable CSV file: {error}", source=path) from None
    cells_by_column = zip(*rows, strict=True) if rows else [[] for _ in header]
    return {name: [cell.strip() for cell in column] for name, column in zip(header, cells_by_column, strict=True)}


def ranked(*keys: npt.NDArray[Any]) -> Positions:
    """All positions by the first key, ascending, then by the next; equal ones in the samples' order."""
    return np.lexsort(tuple(reversed(keys)))


def take(
    order: Positions, size: int, labels: Labels | None = None, class_ranks: npt.NDArray[np.intp] | None = None
) -> Positions:
    """The first ``size`` of an order; with ``labels``, the same number of each class.

    Equal shares are dealt in rounds, one sample of each class a round, so a class that runs out leaves its share to
    the others. The last round, if there are too few for all classes, goes to the samples that come first in ``order``,
    or to the classes (classes,) of the lowest rank: where the order is drawn, its first samples are mostly of large
    classes.
    """
    if labels is None:
        return order[:size]
    return order[_dealt(_place_in_class(order, labels), order, labels, class_ranks)[:size]]


def take_fraction(
    order: Positions, size: int, labels: Labels, class_ranks: npt.NDArray[np.intp] | None = None
) -> Positions:
    """``size`` samples, of each class the same fraction: its first ones in ``order``.

    A fraction that is no whole number is rounded up where the size allows (Adams' apportionment), so that every class
    is there if the size is at least the number of classes; who gets one more among equals is as for ``take``.
    """
    fraction = _place_in_class(order, labels) / np.bincount(labels)[labels[order]]
    return order[_dealt(fraction, order, labels, class_ranks)[:size]]


def class_shares(labels: Labels, size: int, *, balanced: bool) -> npt.NDArray[np.intp]:
    """Samples of each class (classes,): an equal number, or an equal fraction; earlier classes get the rest."""
    order = np.argsort(labels, kind="stable")
    taken = take(order, size, labels) if balanced else take_fraction(order, size, labels)
    return np.bincount(labels[taken], minlength=int(labels.max()) + 1)


def shuffled(labels: Labels, seed: int) -> tuple[Positions, npt.NDArray[np.intp]]:
    """A random order of the samples, and a random rank of each class (classes,)."""
    rng = np.random.default_rng(seed)
    return rng.permutation(len(labels)), rng.permutation(int(labels.max()) + 1)


def class_members(labels: Labels) -> Sequence[Positions]:
    """The positions of each class's samples, ascending."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _dealt(
    turns: npt.NDArray[Any], order: Positions, labels: Labels, class_ranks: npt.NDArray[np.intp] | None
) -> Positions:
    """Places in ``order`` by turn; those of one turn by the rank of their class, else as they come."""
    if class_ranks is None:
        return np.argsort(turns, kind="stable")
    return np.lexsort((class_ranks[labels[order]], turns))


def _place_in_class(order: Positions, labels: Labels) -> npt.NDArray[np.intp]:
    """For each entry of ``order``, which may leave samples out, how many of its class come before it."""
    ordered = labels[order]
    grouped = np.argsort(ordered, kind="stable")
    counts = np.bincount(ordered)
    starts = np.cumsum(counts) - counts
    places = np.empty(len(order), dtype=np.intp)
    places[grouped] = np.arange(len(order)) - starts[ordered[grouped]]
    return places


def unit_rows(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows of length one; a row of zeros stays."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1.0)
