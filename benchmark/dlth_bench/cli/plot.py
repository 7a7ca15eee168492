"""``dlth-bench plot``: draw the accuracy trends of submissions against the full data's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.cli.options import (
    DEFAULT_PROTOCOL,
    DEFAULT_SUBMISSIONS,
    ProtocolOption,
    SubmissionsOption,
    split_names,
)
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol_file import find_protocol
from dlth_bench.spec.quoting import printable, quoted

_MOST_LINES = 10
"""More lines than this are a tangle; the rest must be asked for by name."""


def plot(
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    submissions: SubmissionsOption = DEFAULT_SUBMISSIONS,
    names: Annotated[
        str | None, typer.Option("--names", help="Only these submissions, separated by commas. Default: the best ten.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="The files to write, without .svg and .png.")] = Path(
        "trends"
    ),
) -> None:
    """Draw accuracy per config, one line a submission and one for the full data, as SVG and PNG.

    Example: dlth-bench plot --names my-classes --output trends
    """
    from dlth_bench.leaderboard.figures import accuracy_trends
    from dlth_bench.leaderboard.submissions import read_submissions
    from dlth_bench.leaderboard.table import board_rows

    spec = find_protocol(protocol)
    rows = board_rows(read_submissions(submissions, spec.name), spec)
    cards = {row.submission.metadata.name: row.submission.scorecard for row in rows}
    if not cards:
        raise InputError(f"no submission of {spec.key}", source=printable(str(submissions)))
    chosen = split_names(names)
    if chosen is None:
        chosen = list(cards)[:_MOST_LINES]
        if len(cards) > len(chosen):
            typer.echo(f"the best {len(chosen)} of {len(cards)} submissions; choose others with --names", err=True)
    unknown = [name for name in chosen if name not in cards]
    if unknown:
        known = printable(", ".join(sorted(cards)), 400)
        raise InputError(f"--names: no submission {quoted(unknown[0])} of {spec.key}; there are {known}")
    base = output.with_suffix("") if output.suffix in {".svg", ".png"} else output
    for path in accuracy_trends(spec, {name: cards[name] for name in chosen}, base):
        typer.echo(f"wrote {printable(str(path))}")
