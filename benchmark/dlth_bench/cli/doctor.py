"""``dlth-bench doctor``: whether this machine, its packages and its data give the results they should."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from dlth_bench.cli.shared import options
from dlth_bench.engines.doctor import (
    Check,
    dataset_checks,
    declared_requirements,
    glyphs_check,
    healthy,
    machine_checks,
    protocols_check,
    version_checks,
)
from dlth_bench.engines.engine import check_device
from dlth_bench.engines.golden_run import GoldenCell, golden_cell, golden_checks, train_golden
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Result
from dlth_bench.runs.store import DEFAULT_STORE
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}

Tell = Callable[[list[Check]], None]


def doctor(
    context: typer.Context,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", "-p", help="Also look for the data of a protocol: a name, name@version or file."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Train nothing, count no samples: seconds.")] = False,
    device: options.Device = "auto",
    out: options.Store = DEFAULT_STORE,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Check versions, devices, data and digests, and train one run whose outcome is known.

    That run takes 11 seconds of one idle core. Its accuracy must lie in a range that stored submissions give, and its
    losses are compared with the recorded ones step by step.

    Exit code 0: nothing is wrong (there may be warnings); 1: something is.

    Example: dlth-bench doctor

    Example: dlth-bench doctor --protocol imagenet-ssl --data-dir /data/imagenet --quick
    """
    spec = None if protocol is None else find_protocol(protocol)
    if data_dir is not None:
        if spec is None:
            raise InputError("--data-dir: say by --protocol which dataset lies there")
        options.use_data_dir(context, spec.data.dataset, data_dir)
    device = check_device(device)
    checks: list[Check] = []
    console = Console(stderr=as_json, highlight=False)

    def tell(found: list[Check]) -> None:
        checks.extend(found)
        if not as_json:
            _show(found, console)

    retrained = _examine(spec, out=out, quick=quick, device=device, tell=tell, console=console)
    if as_json:
        environment = None if retrained is None else retrained.environment
        document = {
            "healthy": healthy(checks),
            "checks": [asdict(check) for check in checks],
            "environment": None if environment is None else environment.model_dump(mode="json"),
        }
        typer.echo(json.dumps(document, indent=2))
    else:
        _conclude(checks, console)
    if not healthy(checks):
        raise typer.Exit(1)


def _examine(
    spec: Protocol | None, *, out: Path, quick: bool, device: str, tell: Tell, console: Console
) -> Result | None:
    """Everything in turn, told as it is found; the golden cell's result, or None where it was not trained."""
    versions = version_checks(declared_requirements())
    tell(versions)
    if not healthy(versions):  # what follows imports them
        return None
    tell(machine_checks(out))
    glyphs = glyphs_check()
    tell([protocols_check(), glyphs])
    if spec is not None:
        tell(dataset_checks(spec.data, quick=quick))
    if quick or glyphs.status == "fail":
        return None
    cell = golden_cell()
    retrained = _train(cell, device, console)
    tell(golden_checks(cell, retrained))
    return retrained


def _train(cell: GoldenCell, device: str, console: Console) -> Result:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(f"training {cell.label}")

        def report(stage: str, step: int, total: int) -> None:
            bars.update(bar, description=f"training {cell.label}: {stage}", completed=step, total=total)

        return train_golden(cell, device, report)


def _show(checks: list[Check], console: Console) -> None:
    """Rows of one table, drawn as they come; columns have the same width in all parts."""
    columns = (Column(width=4), Column(width=18), Column(overflow="fold"))
    table = Table(*columns, box=box.SIMPLE, show_header=False, pad_edge=False, show_edge=False)
    for check in checks:
        told = Text(printable(check.found, 2000))
        if check.advice:
            told.append(f"\n{printable(check.advice, 2000)}", style="dim" if check.status == "ok" else "")
        table.add_row(Text(check.status, style=_STYLES[check.status]), Text(printable(check.name, 40)), told)
    console.print(table)


def _conclude(checks: list[Check], console: Console) -> None:
    counts = {status: sum(check.status == status for check in checks) for status in _STYLES}
    if counts["fail"]:
        failed = ", ".join(printable(check.name, 40) for check in checks if check.status == "fail")
        console.print(Text(f"{counts['fail']} of {len(checks)} checks failed: {failed}"), soft_wrap=True)
    elif counts["warn"]:
        console.print(f"nothing is wrong; {counts['warn']} of {len(checks)} checks have something to say")
    else:
        console.print(f"all {len(checks)} checks are fine")
