"""``dlth-bench leaderboard``: check all submissions and write the board."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.board.board import MARK, Board, Reported, reported_rows
from dlth_bench.board.check import check_submission
from dlth_bench.board.columns import BOARD_COLUMNS
from dlth_bench.board.data_files import record_files, records
from dlth_bench.board.markdown import board_markdown, board_rows
from dlth_bench.board.rank import rescore
from dlth_bench.board.row import Row
from dlth_bench.board.site.build import check_site_folder, site_pages, write_site
from dlth_bench.board.submission_folder import StoredSubmission, read_submissions
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.hub import (
    CreateOption,
    PruneOption,
    PublishOption,
    PullOption,
    ReplaceOption,
    RevisionOption,
    SpaceOption,
    publish,
    pull,
    require_together,
    require_writable,
)
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol, lock_state, read_lock, read_protocol, shipped_protocols
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import shipped_folder, write_atomically
from dlth_bench.util.text import correlation, printable

_WIDE = 205
"""Columns of a terminal from which on the whole table fits with names of usual length."""


OutputOption = Annotated[Path, typer.Option("--output", help="The Markdown file to write.")]
RescoreOption = Annotated[
    bool,
    typer.Option("--rescore", help="First score every submission anew from its results, and say what changed."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Also write the table as leaderboard.parquet, .csv and .json into this folder."),
]
SiteOption = Annotated[
    Path | None, typer.Option("--site", help="Also write a website into this folder; open its index.html.")
]


def leaderboard(
    submissions: options.Submissions = options.DEFAULT_SUBMISSIONS,
    output: OutputOption = Path("leaderboard.md"),
    rescore: RescoreOption = False,
    data: DataOption = None,
    site: SiteOption = None,
    pull_from: PullOption = None,
    revision: RevisionOption = None,
    replace: ReplaceOption = False,
    publish_to: PublishOption = None,
    space: SpaceOption = None,
    create: CreateOption = False,
    prune: PruneOption = False,
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
    require_together({"--revision": revision, "--replace": replace}, "--pull", pull_from)
    require_together({"--space": space, "--create": create, "--prune": prune}, "--publish", publish_to)
    require_writable("--publish", publish_to)
    require_writable("--space", space)
    if pull_from is not None:
        typer.echo(pull(pull_from, submissions, revision, replace=replace), err=as_json)
    if rescore:
        _rescore(submissions)
    found = _checked(submissions)
    protocols = _protocols()
    reported = {protocol.key: reported_rows(protocol) for protocol in protocols}
    boards = {protocol.key: board_rows(found, protocol) for protocol in protocols}
    markdown = board_markdown(found, protocols, reported)
    whole = _boards(protocols, boards, reported)
    _write_for_programs_and_browsers(whole, data, site)
    write_atomically(output, markdown.encode())
    if as_json:
        unverified = [row.document(protocol) for protocol in protocols for row in reported[protocol.key]]
        typer.echo(json.dumps(_documents(boards) + unverified, indent=2))
    else:
        _show(boards, reported)
        _tell(len(found), [path for path in (output, data, site) if path is not None])
    if publish_to is not None:
        for line in publish(publish_to, space, found, whole, create=create, prune=prune):
            typer.echo(line, err=as_json)


def _tell(submissions: int, written: list[Path]) -> None:
    plural = "1 submission" if submissions == 1 else f"{submissions} submissions"
    paths = ", ".join(printable(str(path)) for path in written)
    Console().print(Text(f"{plural} valid; wrote {paths}"), soft_wrap=True)


def _show(boards: Mapping[str, Sequence[Row]], reported: Mapping[str, list[Reported]]) -> None:
    console = Console()
    for key, rows in boards.items():
        if rows:
            console.print(_table(key, list(rows), console.width))
        if reported[key]:
            console.print(_reported_table(key, reported[key]))


def _boards(protocols: list[Protocol], rows: dict[str, list[Row]], reported: dict[str, list[Reported]]) -> list[Board]:
    lock = read_lock(shipped_folder("protocols"))
    return [
        Board(protocol, rows[protocol.key], reported[protocol.key], lock_state(protocol, lock) == "locked")
        for protocol in protocols
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


def _protocols() -> list[Protocol]:
    """Those that come with the package, the newest version of each name first."""
    shipped = [read_protocol(path) for path in shipped_protocols().values()]
    return sorted(shipped, key=lambda protocol: (protocol.name, -protocol.version))


def _documents(boards: dict[str, list[Row]]) -> list[dict[str, object]]:
    return [
        {"protocol": key, "subset_digest": row.submission.metadata.subset_digest}
        | {"samples": row.submission.metadata.samples}
        | {column.key: column.value(row) for column in BOARD_COLUMNS}
        for key, rows in boards.items()
        for row in rows
    ]


def _table(key: str, rows: list[Row], width: int) -> Table:
    """The board's table, or its main columns where the terminal has no room for all."""
    shown = [column for column in BOARD_COLUMNS if column.narrow or width >= _WIDE]
    table = Table(title=Text(key), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
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


def _reported_table(key: str, rows: list[Reported]) -> Table:
    """The rows that nobody verified, apart from those that can be ranked."""
    table = Table(title=Text(f"{key}: {MARK}"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Subset", "ρs", "ρp", "Source"):
        table.add_column(title, justify="right" if title in {"ρs", "ρp"} else "left")
    for row in rows:
        table.add_row(Text(row.name), correlation(row.spearman), correlation(row.pearson), Text(row.source))
    return table
