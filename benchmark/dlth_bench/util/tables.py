"""Small tables that users write: CSV with a header line, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlth_bench.util.errors import InputError
from dlth_bench.util.files import LINE_BREAK, read_text_file
from dlth_bench.util.text import quoted

MAX_BYTES = 16 << 20
"""A thousand classes by several hundred models."""

_ROW_NUMBERS = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Table:
    """Cells as text.

    header_line: 1-based; None for a file without lines.
    records: the line of each row (None without lines) and its cells, as many as there are columns.
    percent: whether the file says that its numbers are percent.
    """

    path: Path
    columns: tuple[str, ...]
    header_line: int | None
    records: tuple[tuple[int | None, tuple[str, ...]], ...]
    percent: bool = False

    def rows(self) -> Iterator[tuple[int | None, dict[str, str]]]:
        """The line of each row, and its cells by column."""
        for line, cells in self.records:
            yield line, dict(zip(self.columns, cells, strict=True))

    def error(self, message: str, line: int | None = None) -> InputError:
        """An error that names this file."""
        return InputError(message, source=self.path, line=line)


def read_table(path: Path) -> Table:
    """A ``.parquet`` file through pyarrow, any other as CSV.

    Raises:
        InputError: unreadable, no table, or pyarrow is needed and missing.
    """
    return _read_parquet(path) if path.suffix.lower() in {".parquet", ".pq"} else read_csv_table(path)


def read_csv_table(path: Path) -> Table:
    """A UTF-8 CSV file with a header line; blank lines and lines that start with ``#`` are left out.

    Raises:
        InputError: with file and line: unreadable, no CSV, no header, a repeated column, or a row of other length.
    """
    text = read_text_file(path, MAX_BYTES)
    lines = [(number, line) for number, line in enumerate(LINE_BREAK.split(text), 1) if line.strip()]
    kept = [(number, line) for number, line in lines if not line.lstrip().startswith("#")]
    records: list[tuple[int | None, tuple[str, ...]]] = []
    for number, line in kept:
        try:
            (fields,) = csv.reader([line], strict=True)
        except csv.Error as error:
            raise InputError(f"is not CSV: {error}", source=path, line=number) from None
        records.append((number, tuple(field.strip() for field in fields)))
    if not records:
        raise InputError("is empty; expected a header line and rows", source=path)
    (header_line, columns), body = records[0], records[1:]
    for line_number, cells in body:
        if len(cells) != len(columns):
            message = f"has {len(cells)} fields where the header has {len(columns)}"
            raise InputError(message, source=path, line=line_number)
    if not columns[0] and all(_ROW_NUMBERS.fullmatch(cells[0]) for _, cells in body):
        # pandas writes the numbers of the rows into a column without a name.
        columns, body = columns[1:], [(number, cells[1:]) for number, cells in body]
    check_columns(path, columns, header_line)
    first = lines[0][1].strip()
    percent = first.startswith("#") and first.strip("# ").lower() == "percent"
    return Table(path, columns, header_line, tuple(body), percent)


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes; of a folder, over the names and digests of the files under it.

    Raises:
        InputError: it cannot be read.
    """
    try:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            listing = "".join(f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\n" for file in files)
            return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or 'input/output error'}", source=path) from None


def check_columns(path: Path, columns: tuple[str, ...], line: int | None) -> None:
    """Raise InputError unless every column has a name of its own."""
    for position, column in enumerate(columns):
        if not column:
            raise InputError(f"column {position + 1} has no name", source=path, line=line)
        if column in columns[:position]:
            raise InputError(f"has the column {quoted(column)} twice", source=path, line=line)


def read_parquet_columns(path: Path) -> dict[str, list[str]]:
    """The cells of a Parquet file as text, by column.

    Raises:
        InputError: unreadable, no table, or pyarrow is missing.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        message = "reading Parquet needs pyarrow: pip install 'dlth-bench[datasets]', or save the table as CSV"
        raise InputError(message, source=path) from None
    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        raise InputError("no such file", source=path) from None
    except (pyarrow.ArrowException, OSError, ValueError):
        raise InputError("is not a readable Parquet file", source=path) from None
    # pandas keeps the numbers of sorted or filtered rows in columns of such names.
    kept = [position for position, name in enumerate(table.column_names) if not name.startswith("__index_level_")]
    names = tuple(table.column_names[position] for position in kept)
    check_columns(path, names, None)
    return dict(zip(names, (_cells(table.column(position)) for position in kept), strict=True))


def _read_parquet(path: Path) -> Table:
    columns = read_parquet_columns(path)
    records = tuple((None, row) for row in zip(*columns.values(), strict=True))
    return Table(path, tuple(columns), None, records)


def _cells(column: Any) -> list[str]:
    """The cells of a pyarrow column as text; numbers in the fewest digits that mean them."""
    if str(column.type) in {"float", "halffloat"}:
        import numpy as np

        # As Python floats, 0.82 would read 0.8199999928474426 and differ from the 0.82 of another table.
        narrow = np.float32 if str(column.type) == "float" else np.float16
        return ["" if cell is None else str(narrow(cell)) for cell in column.to_pylist()]
    return ["" if cell is None else str(cell) for cell in column.to_pylist()]
