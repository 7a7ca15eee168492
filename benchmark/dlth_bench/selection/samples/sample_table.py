"""Tables with a row for each sample, CSV or Parquet: what there is to choose from, and what models got right.

A column ``sample`` has the IDs, a class's ID, a slash and a name; a column ``class``, if there is one, says the class
again. Made for a million rows, so a CSV file is streamed.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlth_bench.selection.samples.sample_names import misnamed
from dlth_bench.selection.table_file import read_parquet_columns
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.samples import SampleCatalog

Columns = dict[str, list[str]]


def read_samples(path: Path, catalog: ClassCatalog) -> SampleCatalog:
    """The samples that a table lists, in its order.

    Raises:
        InputError: unreadable, no column ``sample``, no row, an ID that is listed twice, or one whose class is unknown
            or another than the table says.
    """
    columns = _read_columns(path)
    ids = _sample_column(path, columns)
    label_of = {class_id: label for label, class_id in enumerate(catalog.ids)}
    labels = array("i")
    for row, (sample_id, told) in enumerate(zip(ids, columns.get("class") or ids, strict=True)):
        class_id = sample_id.partition("/")[0]
        problem = misnamed(sample_id, class_id)
        if not problem and class_id not in label_of:
            problem = f"sample {quoted(sample_id)} is of no class of {catalog.dataset}; write {catalog.ids[0]}/<name>"
        if problem:
            raise InputError(problem, source=path, line=_line(path, row))
        if "class" in columns and catalog.index(told) != label_of[class_id]:
            message = f"sample {quoted(sample_id)} is of class {class_id}, not {quoted(told)}"
            raise InputError(message, source=path, line=_line(path, row))
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
        columns = _read_columns(path)
        rows = _positions(path, _sample_column(path, columns), samples)
        configs = [column for column in columns if column not in ("sample", "class")]
        if not configs:
            raise InputError("needs a column for each config beside 'sample'", source=path)
        for config in configs:
            if config in pool:
                raise InputError(f"has a config {quoted(config)}, as another file has", source=path)
            pool[config] = np.empty(len(samples))
            pool[config][rows] = _fractions(path, config, columns[config])
    return pool


def _positions(path: Path, ids: list[str], samples: SampleCatalog) -> npt.NDArray[np.intp]:
    rows = np.empty(len(ids), dtype=np.intp)
    for row, sample_id in enumerate(ids):
        position = samples.index(sample_id)
        if position is None:
            near = samples.closest(sample_id)
            hint = f"; did you mean {quoted(near)}?" if near else ""
            message = f"{quoted(sample_id)} is none of the {len(samples)} samples to choose from{hint}"
            raise InputError(message, source=path, line=_line(path, row))
        rows[row] = position
    if len(rows) < len(samples):
        there = set(ids)
        missing = next(item for item in samples.sample_ids if item not in there)
        raise InputError(f"{len(samples) - len(rows)} samples are missing, such as {quoted(missing)}", source=path)
    return rows


def _fractions(path: Path, config: str, cells: list[str]) -> npt.NDArray[np.float64]:
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        wrong = next(row for row, cell in enumerate(cells) if not _is_number(cell))
        message = f"{quoted(config)}: {quoted(cells[wrong])} is not a number"
        raise InputError(message, source=path, line=_line(path, wrong)) from None
    outside = ~((values >= 0) & (values <= 1))  # NaN too
    if outside.any():
        wrong = int(outside.argmax())
        message = f"{quoted(config)}: {printable(cells[wrong], 30)} is not between 0 and 1"
        raise InputError(message, source=path, line=_line(path, wrong))
    return values


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _sample_column(path: Path, columns: Columns) -> list[str]:
    ids = columns.get("sample")
    if ids is None:
        raise InputError("needs a column 'sample' of sample IDs", source=path)
    if not ids:
        raise InputError("lists no sample", source=path)
    if len(set(ids)) < len(ids):
        first: dict[str, int] = {}
        for row, sample_id in enumerate(ids):
            if first.setdefault(sample_id, row) != row:
                raise InputError(f"lists sample {quoted(sample_id)} twice", source=path, line=_line(path, row))
    return ids


def _line(path: Path, row: int) -> int | None:
    """The line of a row; none in Parquet."""
    return None if _is_parquet(path) else row + 2


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in {".parquet", ".pq"}


def _read_columns(path: Path) -> Columns:
    return read_parquet_columns(path) if _is_parquet(path) else _read_csv_columns(path)


def _read_csv_columns(path: Path) -> Columns:
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
