"""``dlth-bench collect``: the score of what a batch has left in the store."""

from __future__ import annotations

import typer
from rich.console import Console

from dlth_bench.cli.reference import show_reference
from dlth_bench.cli.run import show_score
from dlth_bench.cli.shared import options
from dlth_bench.cli.status import BatchArgument, told_counts
from dlth_bench.engines.batch import find_batch
from dlth_bench.engines.batch_state import run_states
from dlth_bench.engines.slurm import queued_jobs
from dlth_bench.runs.plan import make_plan
from dlth_bench.runs.store import DEFAULT_STORE, Store


def collect(
    batch: BatchArgument = None,
    out: options.Store = DEFAULT_STORE,
    submissions: options.Submissions = options.DEFAULT_SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """Show what run or reference would have shown, for a batch that was handed to a cluster.

    Reads the store alone, from any machine. Exit code 1 while runs are missing, or when some broke down.

    Example: dlth-bench collect

    Example: dlth-bench collect slurm-20261121 --out runs
    """
    store = Store(out)
    folder = find_batch(store, batch)
    grid, states = folder.read().grid, run_states(folder, queued_jobs())
    Console(stderr=True).print(f"batch {folder.id}: {told_counts(states)}", highlight=False, soft_wrap=True)
    complete = all(state.state == "finished" for state in states)
    if grid.purpose == "run":
        plan = make_plan(grid.protocol, grid.subset, store, exponent=grid.exponent)
        show_score(plan, grid.subset_name, store, submissions, as_json=as_json)
    elif complete:
        show_reference(grid.protocol, store)
    if not complete:
        raise typer.Exit(1)
