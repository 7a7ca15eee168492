"""``dlth-bench leaderboard``: check all submissions and write the board."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.board.board import MARK, Board, Reported, reported_rows
from dlth_bench.board.cells import rows_by_cell
from dlth_bench.board.check import check_submission
from dlth_bench.board.columns import BOARD_COLUMNS
from dlth_bench.board.data_files import record_files, records
from dlth_bench.board.markdown import board_markdown, board_rows
from dlth_bench.board.rank import rescore
from dlth_bench.board.row import Row
from dlth_bench.board.site.build import check_site_folder, site_pages, write_site
from dlth_bench.board.submission import has_cells
from dlth_bench.board.submission_folder import StoredSubmission, read_submissions
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.hub import BoardOnHub
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol, lock_state, read_lock, read_protocol, shipped_protocols
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import shipped_folder, write_atomically
from dlth_bench.util.text import correlation, printable

_WIDE = 205
"""Columns of a terminal from which on the whole table fits with names of usual length."""


@options.with_groups
def leaderboard(
    submissions: options.Submissions = options.DEFAULT_SUBMISSIONS,
    output: Annotated[Path, typer.Option("--output", help="The Markdown file to write.")] = Path("leaderboard.md"),
    rescore: Annotated[
        bool,
        typer.Option("--rescore", help="First score every submission anew from its results, and say what changed."),
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Also write the table as leaderboard.parquet, .csv and .json into this folder.")
    ] = None,
    site: Annotated[
        Path | None, typer.Option(help="Also write a website into this folder; open its index.html.")
    ] = None,
    hub: BoardOnHub = BoardOnHub(),
    as_json: options.Json = False,
) -> None:
    """Check every submission, write the leaderboard as Markdown, and show it.

    A submission must be of a protocol that comes with the package, and its score must follow from its results.

    The first that is not valid is named, and the leaderboard stays as it was.

    Example: dlth-bench leaderboard --submissions submissions --output leaderboard.md

    Example: dlth-bench leaderboard --rescore

    Example: dlth-bench leaderboard --pull my-lab/board --publish my-lab/board

    Example: dlth-bench leaderboard --site site --data site/data
    """
    if hub.pull_from is not None:
        typer.echo(hub.pull(hub.pull_from, submissions), err=as_json)
    if rescore:
        _rescore(submissions)
    found = _checked(submissions)
    boards = _boards(found)
    markdown = board_markdown(boards)
    _write_for_programs_and_browsers(boards, data, site)
    write_atomically(output, markdown.encode())
    if as_json:
        unverified = [row.document(board.protocol) for board in boards for row in board.reported]
        typer.echo(json.dumps(_documents(boards) + unverified, indent=2))
    else:
        _show(boards)
        _tell(len(found), [path for path in (output, data, site) if path is not None])
    if hub.publish_to is not None:
        for line in hub.publish(hub.publish_to, found, boards):
            typer.echo(line, err=as_json)


def _tell(submissions: int, written: list[Path]) -> None:
    plural = "1 submission" if submissions == 1 else f"{submissions} submissions"
    paths = ", ".join(printable(str(path)) for path in written)
    Console().print(Text(f"{plural} valid; wrote {paths}"), soft_wrap=True)


def _show(boards: list[Board]) -> None:
    console = Console()
    for board in boards:
        for title, rows in _tables(board):
            console.print(_table(title, rows, console.width))
        if board.reported:
            console.print(_reported_table(board.protocol.key, board.reported))


def _tables(board: Board) -> list[tuple[str, Sequence[Row]]]:
    """Title and rows of a board's tables: one, or one a cell."""
    if has_cells(board.protocol):
        return [(f"{board.protocol.key}, {cell.title}", rows) for cell, rows in rows_by_cell(board.rows).items()]
    return [(board.protocol.key, board.rows)] if board.rows else []


def _boards(submissions: list[StoredSubmission]) -> list[Board]:
    """Those of the protocols that come with the package, the newest version of each name first."""
    lock = read_lock(shipped_folder("protocols"))
    protocols = sorted(map(read_protocol, shipped_protocols().values()), key=lambda found: (found.name, -found.version))
    return [
        Board(each, board_rows(submissions, each), reported_rows(each), lock_state(each, lock) == "locked")
        for each in protocols
    ]


def _write_for_programs_and_browsers(boards: list[Board], data: Path | None, site: Path | None) -> None:
    """All bytes are made before the first file is written, so that an error leaves both folders as they were."""
    files = {} if data is None else {data / name: content for name, content in record_files(records(boards)).items()}
    pages = {} if site is None else site_pages(boards)
    if site is not None:
        check_site_folder(site, pages)
    for path, content in files.items():
        write_atomically(path, content)
    if site is not None:
        write_site(site, pages)


def _rescore(root: Path) -> None:
    """Replace the scorecards of all submissions by fresh ones; what changed goes to stderr, so that JSON stays JSON."""
    found, protocols = _read(root)
    for one in rescore(found, protocols):
        typer.echo(printable(one.told, 400), err=True)


def _checked(root: Path) -> list[StoredSubmission]:
    """All submissions, every one valid under its protocol."""
    found, protocols = _read(root)
    for stored in found:
        check_submission(stored, protocols[stored.metadata.protocol])
    return found


def _read(root: Path) -> tuple[list[StoredSubmission], dict[str, Protocol]]:
    """All submissions, and their protocols by key."""
    if not root.is_dir():
        raise InputError("no such folder; name the one that holds the submissions", source=printable(str(root)))
    found = read_submissions(root)
    return found, {key: find_protocol(key) for key in sorted({stored.metadata.protocol for stored in found})}


def _documents(boards: list[Board]) -> list[dict[str, object]]:
    return [
        {"protocol": board.protocol.key, "subset_digest": row.submission.metadata.subset_digest}
        | {"samples": row.submission.metadata.samples, "exponent": row.submission.metadata.exponent}
        | {column.key: column.value(row) for column in BOARD_COLUMNS}
        for board in boards
        for row in board.rows
    ]


def _table(title: str, rows: Sequence[Row], width: int) -> Table:
    """The board's table, or its main columns where the terminal has no room for all."""
    shown = [column for column in BOARD_COLUMNS if column.narrow or width >= _WIDE]
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        table.add_column(
            Text(column.title),
            justify="left" if column.foreign else "right",
            min_width=len(column.title),
            no_wrap=not column.foreign,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(printable(column.show(row))) for column in shown))
    return table


def _reported_table(key: str, rows: Sequence[Reported]) -> Table:
    """The rows that nobody verified, apart from those that can be ranked."""
    table = Table(title=Text(f"{key}: {MARK}"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Subset", "ρs", "ρp", "Source"):
        table.add_column(title, justify="right" if title in {"ρs", "ρp"} else "left")
    for row in rows:
        table.add_row(Text(row.name), correlation(row.spearman), correlation(row.pearson), Text(row.source))
    return table
