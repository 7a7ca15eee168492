"""``dlth-bench bench tickets``: what the searches for tickets of a subset found and took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from dlth_bench.cli.shared import options
from dlth_bench.datasets.dataset import Dataset
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.engines.engine import check_device
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol
from dlth_bench.runs.plan import chosen_configs, grid_runs, subset_for
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import DEFAULT_STORE, Store
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen
from dlth_bench.util.text import duration, percent

if TYPE_CHECKING:
    from dlth_bench.training.speed import StepBench, StepProfile


def measured_steps(
    protocol: Protocol,
    configs: Sequence[Config],
    dataset: Dataset,
    *,
    device: str,
    rounds: int,
    steps: int,
    threads: int,
    profile: bool,
) -> tuple[Table, list[dict[str, Any]]]:
    """Measure each config's step, in this process: as a table, and as values for JSON."""
    from dlth_bench.training.environment import prepare_process
    from dlth_bench.training.speed import bench_step, profile_step

    prepare_process(threads)
    if profile:
        look = partial(profile_step, data=protocol.data, dataset=dataset, device=device, rounds=rounds, steps=steps)
        profiles = [look(config) for config in configs]
        return profile_table(profiles), [one.model_dump(mode="json") for one in profiles]
    time = partial(bench_step, data=protocol.data, dataset=dataset, device=device, rounds=rounds, steps=steps)
    ratios = [time(config) for config in configs]
    return ratio_table(ratios), [one.model_dump(mode="json") for one in ratios]


def ratio_table(found: Sequence[StepBench]) -> Table:
    """A row a config."""
    table = Table("Config", "Batch", "Step img/s", "Model img/s", "Ratio")
    for one in found:
        rates = (f"{one.step_images_per_second:.0f}", f"{one.model_images_per_second:.0f}", f"{one.ratio:.3f}")
        table.add_row(one.config, str(one.batch_size), *rates)
    return table


def profile_table(found: Sequence[StepProfile]) -> Table:
    """A row a part of each config's step, and one with their sums."""
    table = Table("Config", "Part", "Step µs", "Bare µs", "Difference")
    for one in found:
        for number, part in enumerate((*one.parts, one.total)):
            times = (f"{part.step:.0f}", f"{part.bare:.0f}", f"{part.step - part.bare:.0f}")
            table.add_row("" if number else one.config, part.part, *times, end_section=number == len(one.parts))
    return table


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
    subset: options.Subset,
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="A protocol whose configs prune.")] = (
        "glyphs-tickets"
    ),
    out: options.Store = DEFAULT_STORE,
    configs: options.Configs = None,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Accuracy of the stored tickets, the updates of their searches against vanilla pruning's, and critical sets.

    Trains nothing: it tells of what dlth-bench run has stored.

    Example: dlth-bench bench tickets --subset rs-0 --configs imp-rewind,prac
    """
    spec = find_protocol(protocol)
    options.use_data_dir(context, spec.data.dataset, data_dir)
    file, store = subset_for(subset, spec), Store(out)
    picked = [
        config.name for config in chosen_configs(spec, options.split_names(configs)) if config.pruning is not None
    ]
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


app = typer.Typer(
    add_completion=False, name="bench", help="Measure how fast this machine trains.", no_args_is_help=True
)
app.command("tickets")(tickets)


@app.command("step")
def step(
    context: typer.Context,
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    configs: options.Configs = None,
    device: options.Device = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the whole and the bare step alternate.")] = 40,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each a round, at least.")] = 3,
    profile: Annotated[bool, typer.Option("--profile", help="Say where processor time goes, by part.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Images a second of the whole training step and of the bare networks, per config, and their ratio.

    With --profile: microseconds of processor time a step by part, in both.

    Example: dlth-bench bench step --protocol glyphs-ssl --json
    """
    spec = find_protocol(protocol)
    options.use_data_dir(context, spec.data.dataset, data_dir)
    picked = chosen_configs(spec, options.split_names(configs))
    check_device(device)
    dataset = protocol_dataset(spec.data)
    table, found = measured_steps(
        spec, picked, dataset, device=device, rounds=rounds, steps=steps, threads=threads, profile=profile
    )
    if as_json:
        typer.echo(json.dumps({"protocol": spec.key, "device": device, "threads": threads, "configs": found}, indent=2))
        return
    Console().print(table)


@app.command("untrained")
def untrained(
    context: typer.Context,
    subset: options.Subset,
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    out: options.Store = DEFAULT_STORE,
    configs: options.Configs = None,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Linear probes of the backbones as initialised, next to those of the stored, trained runs.

    Example: dlth-bench bench untrained --subset demo-24
    """
    spec = find_protocol(protocol)
    options.use_data_dir(context, spec.data.dataset, data_dir)
    file, store = subset_for(subset, spec), Store(out)
    from dlth_bench.training.environment import prepare_process
    from dlth_bench.training.train_run import evaluate_untrained

    prepare_process()
    dataset = protocol_dataset(spec.data)
    table = Table("Config", "Untrained top-1", "Trained top-1", "Gain in points")
    found = []
    for config in chosen_configs(spec, options.split_names(configs)):
        if config.evaluation is None or config.evaluation.kind != "linear":
            continue
        runs = grid_runs(spec, file.subset, configs=[config.name])
        floor = [evaluate_untrained(run, dataset, device="cpu") for run in runs]
        results = [store.result(run.digest) for run in runs]
        trained = [result.accuracy for result in results if result is not None and result.accuracy is not None]
        row = {"config": config.name, "untrained": floor, "trained": trained}
        found.append(row)
        gain = f"{100 * (fmean(trained) - fmean(floor)):.1f}" if trained else "–"
        table.add_row(config.name, _mean_and_spread(floor), _mean_and_spread(trained), gain)
    if as_json:
        typer.echo(json.dumps({"protocol": spec.key, "subset": file.subset.digest, "configs": found}, indent=2))
        return
    Console().print(table)


def _mean_and_spread(values: list[float]) -> str:
    return percent(fmean(values) if values else None, stdev(values) if len(values) > 1 else None)
