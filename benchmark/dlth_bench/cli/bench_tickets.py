"""``dlth-bench bench tickets``: what the searches for tickets of a subset found and took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from dlth_bench.cli.options import (
    DEFAULT_STORE,
    ConfigsOption,
    DataDirOption,
    JsonOption,
    StoreOption,
    SubsetOption,
    split_names,
    use_data_dir,
)
from dlth_bench.cli.run import subset_for
from dlth_bench.harness.grid import chosen_configs, grid_runs
from dlth_bench.harness.store import Store
from dlth_bench.leaderboard.number_text import duration, percent
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.protocol_file import find_protocol
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run


class TicketRow(Frozen):
    """A finished run of a config that prunes."""

    config: str
    seed: int
    density: float
    """Live over prunable weights."""
    accuracy: float
    """Top-1 of the ticket."""
    search_updates: int | None
    """Of all levels of the search, and of another network's, where the set is from one; None: unknown."""
    saved: float
    """Part of the updates of a search on all samples that were not needed."""
    set_share: float | None
    """Part of all samples that are in the critical set; None without one."""
    device_seconds: float
    """Of search and ticket."""


def tickets(
    context: typer.Context,
    subset: SubsetOption,
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="A protocol whose configs prune.")] = (
        "glyphs-tickets"
    ),
    out: StoreOption = DEFAULT_STORE,
    configs: ConfigsOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accuracy of the stored tickets, the updates of their searches against vanilla pruning's, and critical sets.

    Trains nothing: it tells of what dlth-bench run has stored.

    Example: dlth-bench bench tickets --subset rs-0 --configs imp-rewind,prac
    """
    spec = find_protocol(protocol)
    use_data_dir(context, spec.data.dataset, data_dir)
    file, store = subset_for(subset, spec), Store(out)
    picked = [config.name for config in chosen_configs(spec, split_names(configs)) if config.pruning is not None]
    runs = grid_runs(spec, file.subset, configs=picked) if picked else []
    stored = [(run, store.result(run.digest)) for run in runs]
    rows = [row for run, result in stored if result is not None and (row := ticket_row(run, result)) is not None]
    if not rows:
        command = f"dlth-bench run --protocol {protocol} --subset {subset} --out {out}"
        raise InputError(f"no ticket of this subset is stored; find some with: {command}")
    if as_json:
        found = [row.model_dump(mode="json") for row in rows]
        typer.echo(json.dumps({"protocol": spec.key, "subset": file.subset.digest, "runs": found}, indent=2))
        return
    Console().print(_table(rows, picked))


def ticket_row(run: Run, result: Result) -> TicketRow | None:
    """What a run found; None if it did not finish."""
    pruning, ticket = run.config.pruning, result.ticket
    if pruning is None or ticket is None or result.accuracy is None or result.cost is None:
        return None
    prac, samples = ticket.prac, run.samples_of("search")
    if ticket.search_data is not None:
        samples = ticket.search_data.samples
    vanilla = None if samples is None else pruning.search_updates(run.config.train, samples)
    return TicketRow(
        config=run.config.name,
        seed=run.seed,
        density=ticket.density,
        accuracy=result.accuracy,
        search_updates=vanilla if prac is None else prac.search_updates + prac.source_updates,
        saved=0.0 if prac is None else prac.saved,
        set_share=None if prac is None else prac.share,
        device_seconds=result.cost.device_seconds,
    )


def _table(rows: Sequence[TicketRow], configs: Sequence[str]) -> Table:
    """A row a config, means over its seeds; updates are the search's."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("Config", "Seeds", "Left %", "Top-1 %", "Updates", "Saved", "Set %", "A run"):
        table.add_column(title, no_wrap=True)
    for config in configs:
        own = [row for row in rows if row.config == config]
        if not own:
            continue
        accuracies = [row.accuracy for row in own]
        updates = [row.search_updates for row in own if row.search_updates is not None]
        shares = [row.set_share for row in own if row.set_share is not None]
        table.add_row(
            config,
            str(len(own)),
            f"{100 * own[0].density:.2g}",
            percent(fmean(accuracies), stdev(accuracies) if len(own) > 1 else None),
            f"{fmean(updates):.0f}" if updates else "–",
            f"{100 * fmean(row.saved for row in own):.0f}" if shares else "–",
            f"{100 * fmean(shares):.0f}" if shares else "–",
            duration(fmean(row.device_seconds for row in own)),
        )
    return table
