"""``dlth-bench check``: everything that is wrong with submissions."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from dlth_bench.board.check import Checked, check_folder, neighbours, submission_folders, with_duplicates
from dlth_bench.cli.shared import options
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.util.text import printable


def check(
    submissions: Annotated[
        list[Path], typer.Argument(help="Folders of submissions, or of folders of them.", show_default=False)
    ],
    new: Annotated[
        bool, typer.Option("--new", help="As new ones: none may bring a verification.json of its own.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check submissions: files, digests, subset, results, costs, score, and whether another has the same results.

    All findings are printed, one a line, with file and line. Nothing is trained or downloaded: what results are worth
    that agree with each other, only "verify" can tell.

    Exit code 0: all are valid; 1: one is not; 2: there is nothing to check.

    Example: dlth-bench check submissions

    Example: dlth-bench check submissions/glyphs-ssl/mine --new --json
    """
    folders = list(dict.fromkeys(folder for path in submissions for folder in submission_folders(path)))
    find = cache(find_protocol)
    checked = with_duplicates([check_folder(folder, find, new=new) for folder in folders], neighbours(folders))
    invalid = sum(not one.valid for one in checked)
    if as_json:
        typer.echo(json.dumps({"valid": not invalid, "submissions": [one.document() for one in checked]}, indent=2))
    else:
        _tell(checked, invalid)
    if invalid:
        raise typer.Exit(1)


def _tell(checked: list[Checked], invalid: int) -> None:
    console = Console()
    for one in checked:
        for finding in one.findings:
            console.print(Text(finding.located), soft_wrap=True)
        if one.findings and one.reached != "score":
            told = f"{printable(str(one.folder))}: the rest is checked when this is right"
            console.print(Text(told), soft_wrap=True)
    plural = "1 submission" if len(checked) == 1 else f"{len(checked)} submissions"
    verdict = "valid" if not invalid else f"{invalid} not valid"
    console.print(Text(f"{plural} checked: {verdict}"), soft_wrap=True)
