"""``dlth-bench schemas``: write the JSON Schema of every file of a submission."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.schemas import schema_files


def schemas(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path("docs/schemas"),
) -> None:
    """Write the JSON Schema of submissions, results, scorecards, cards, protocols and verifications.

    Example: dlth-bench schemas --output docs/schemas
    """
    files = schema_files()
    for name, text in files.items():
        write_atomically(output / name, text.encode())
    typer.echo(f"wrote {len(files)} schemas to {printable(str(output))}")
