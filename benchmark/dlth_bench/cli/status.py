"""``dlth-bench status``: how far the batches are that were handed to a cluster."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from dlth_bench.cli.shared import options
from dlth_bench.engines.batch import BatchFolder, batches, find_batch
from dlth_bench.engines.batch_state import RunState, counted, run_states
from dlth_bench.engines.slurm import queued_jobs
from dlth_bench.runs.store import DEFAULT_STORE, Store
from dlth_bench.util.text import duration, percent, printable

BatchArgument = Annotated[
    str | None, typer.Argument(help="A batch, or the start of its name. Default: all, or to collect the newest.")
]


def status(batch: BatchArgument = None, out: options.Store = DEFAULT_STORE, as_json: options.Json = False) -> None:
    """Say how far batches are: which runs have finished, are trained, wait, or were lost.

    The files in the store decide, so this works on any machine that sees them; Slurm is asked where it is at hand.

    Example: dlth-bench status

    Example: dlth-bench status slurm-20261121 --out runs --json
    """
    store = Store(out)
    folders = batches(store) if batch is None else [find_batch(store, batch)]
    queue = queued_jobs() if folders else None
    states = {folder: run_states(folder, queue) for folder in folders}
    if as_json:
        typer.echo(json.dumps([_document(folder, found) for folder, found in states.items()], indent=2))
        return
    console = Console(highlight=False)
    if not folders:
        console.print("no batch: nothing was handed to a cluster from here")
    elif batch is None:
        _show_batches(states, console)
    else:
        _show_runs(states[folders[0]], console)


def _show_batches(states: dict[BatchFolder, list[RunState]], console: Console) -> None:
    table = Table(Column("Batch", no_wrap=True), "Protocol", "Subset", "Runs")  # collect and status take the batch
    for folder, found in states.items():
        grid = folder.read().grid
        table.add_row(folder.id, grid.protocol.key, Text(printable(grid.subset_name, 40)), told_counts(found))
    console.print(table)


def told_counts(states: list[RunState]) -> str:
    """``12 finished, 9 queued``."""
    return ", ".join(f"{number} {state}" for state, number in counted(states).items() if number)


def _show_runs(states: list[RunState], console: Console) -> None:
    table = Table("Run", "State", "Told")
    for state in states:
        table.add_row(state.run.label, state.state, Text(_told(state)))
    console.print(table)
    lost = counted(states)["lost"]
    if lost:
        console.print(f"{lost} lost: the batch's last job takes them up; the same run command does, too")


def _told(state: RunState) -> str:
    if state.result is not None:
        return percent(state.result.accuracy) if state.state == "finished" else printable(state.result.reason, 100)
    if state.beat is None:
        return ""
    step = f"{state.beat.stage} {state.beat.step}/{state.beat.total} " if state.beat.total else ""
    heard = "" if state.silent is None else f", heard {duration(max(0.0, state.silent))} ago"
    return printable(f"{step}on {state.beat.host}{heard}", 100)


def _document(folder: BatchFolder, states: list[RunState]) -> dict[str, object]:
    batch, numbers = folder.read(), folder.numbers()
    runs = [
        {
            "config": state.run.config.name,
            "seed": state.run.seed,
            "run": state.run.digest,
            "state": state.state,
            "host": None if state.beat is None else state.beat.host,
            "silent_seconds": state.silent,
        }
        for state in states
    ]
    return {
        "batch": batch.id,
        "created": batch.created,
        "protocol": batch.grid.protocol.key,
        "subset": batch.grid.subset_name,
        "jobs": [] if numbers is None else [*numbers.jobs, numbers.last],
        "counts": counted(states),
        "runs": runs,
    }
