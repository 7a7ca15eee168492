"""All pages of the site, as bytes by path: the same boards give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from dlth_bench.board.board import Board
from dlth_bench.board.cells import frontier, rows_by_cell, verdict
from dlth_bench.board.columns import SITE_CELL_COLUMNS, SITE_COLUMNS
from dlth_bench.board.rank import is_random
from dlth_bench.board.row import Row, flags
from dlth_bench.board.site.charts import correlation_scale, trend_chart
from dlth_bench.board.site.submission_page import (
    class_lines,
    compare_data,
    config_lines,
    environments,
    influence_reach,
    reproduce_command,
)
from dlth_bench.board.site.templates import COMPARE, GENERATOR, INDEX, bibtex, protocol_path, render, submission_path
from dlth_bench.board.submission import has_cells
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.text import printable


def site_pages(boards: Sequence[Board]) -> dict[str, bytes]:
    """Every page of the site.

    Args:
        boards: the newest version of a protocol before its older ones, as the pages list them.
    """
    pages = {INDEX: _index(boards), COMPARE: _compare(boards)}
    for board in boards:
        pages[protocol_path(board.protocol)] = _protocol(board, boards)
        for row in board.rows:
            pages[submission_path(row.submission.metadata)] = _submission(row, board)
    return pages


def current_boards(boards: Iterable[Board]) -> list[Board]:
    """Of each protocol the newest version that has submissions, or the newest if none has."""
    found: list[Board] = []
    for _, versions in groupby(boards, key=lambda board: board.protocol.name):
        group = list(versions)
        found.append(next((board for board in group if board.rows), group[0]))
    return found


def _index(boards: Sequence[Board]) -> bytes:
    current = current_boards(boards)
    shown = [_table(board) for board in current if board.rows and not has_cells(board.protocol)]
    divided = [(board, frontier(board.rows)) for board in current if board.rows and has_cells(board.protocol)]
    answers = [(board, scores, verdict(scores)) for board, scores in divided if scores]
    submissions = sum(len(board.rows) for board in boards)
    return render(
        "index.html", INDEX, "board.js", current=current, tables=shown, answers=answers, submissions=submissions
    )


def _compare(boards: Sequence[Board]) -> bytes:
    return render("compare.html", COMPARE, "compare.js", data=compare_data(boards))


def _protocol(board: Board, boards: Sequence[Board]) -> bytes:
    versions = [other for other in boards if other.protocol.name == board.protocol.name]
    path = protocol_path(board.protocol)
    scores = frontier(board.rows) if has_cells(board.protocol) else []
    return render(
        "protocol.html",
        path,
        "board.js",
        board=board,
        tables=_tables(board),
        versions=versions,
        scores=scores,
        verdict=verdict(scores) if scores else "",
    )


def _tables(board: Board) -> list[dict[str, Any]]:
    """The tables of a board: one, or one a cell."""
    if not has_cells(board.protocol):
        return [_table(board)]
    cells = rows_by_cell(board.rows)
    return [
        _table(replace(board, rows=rows)) | {"cell": cell, "columns": SITE_CELL_COLUMNS} for cell, rows in cells.items()
    ]


def _table(board: Board) -> dict[str, Any]:
    """What the table of a board needs: its columns, its rows by tie group, and what the filters offer."""
    groups = [
        (rank, list(rows))
        for rank, rows in groupby(board.rows, key=lambda row: None if row.rank is None else row.rank.group)
    ]
    random = [row for row in board.rows if row.rank and is_random(row.submission.metadata.policy)]
    return {
        "board": board,
        "cell": None,
        "columns": SITE_COLUMNS,
        "groups": groups,
        "flags": flags,
        "scale": correlation_scale(row.submission.scorecard.spearman for row in board.rows),
        "policies": sorted({row.submission.metadata.policy for row in board.rows}),
        "statuses": sorted({row.status for row in board.rows}),
        "random": random,
    }


def _submission(row: Row, board: Board) -> bytes:
    stored = row.submission
    divided = has_cells(board.protocol)
    competing = [other for other in board.rows if not divided or other.metadata.cell == row.metadata.cell]
    return render(
        "submission.html",
        submission_path(stored.metadata),
        row=row,
        board=board,
        stored=stored,
        card=stored.scorecard,
        flags=flags(row),
        chart=trend_chart(stored.scorecard.configs, stored.scorecard.metric),
        configs=config_lines(stored),
        reach=influence_reach(stored.scorecard),
        titles={score.config: score.title for score in stored.scorecard.configs},
        classes=class_lines(stored, class_catalog(stored.metadata.dataset)),
        environments=environments(stored.results),
        command=reproduce_command(stored),
        bibtex=bibtex(stored.metadata),
        columns={column.key: column for column in SITE_COLUMNS},
        competing=sum(other.rank is not None for other in competing),
        rivals=[other.metadata.name for other in competing if other is not row][:1],
    )


def write_site(folder: Path, pages: Mapping[str, bytes]) -> None:
    """Write all pages, and take away those of an older build that are no longer part of the site.

    Other files in the folder stay as they are. The pages that link to others are written last.

    Raises:
        InputError: as `check_site_folder` does; nothing is written.
    """
    check_site_folder(folder, pages)
    for path in sorted(pages, key=lambda path: -path.count("/")):
        write_atomically(folder / path, pages[path])
    for stale in _pages_in(folder) - {folder / path for path in pages}:
        stale.unlink()


def check_site_folder(folder: Path, paths: Iterable[str]) -> None:
    """Raise InputError if the folder is a file, or holds another's page where one of the site's would go."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is not a folder", source=printable(str(folder)))
    for path in paths:
        if (folder / path).exists() and not _is_ours(folder / path):
            message = "is not a page of an earlier board; choose an empty folder"
            raise InputError(message, source=printable(str(folder / path)))


def _pages_in(folder: Path) -> set[Path]:
    """The pages of any build, in the folders where pages lie."""
    found = [*folder.glob("*.html"), *folder.glob("protocols/*.html"), *folder.glob("submissions/*/*.html")]
    return {path for path in found if _is_ours(path)}


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return GENERATOR.encode() in stream.read(512)
