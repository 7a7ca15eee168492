"""``dlth-bench bench``: how fast this machine trains."""

from __future__ import annotations

import json
from statistics import fmean, stdev
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dlth_bench.cli.bench_step import measured_steps
from dlth_bench.cli.bench_tickets import tickets
from dlth_bench.cli.options import (
    DEFAULT_PROTOCOL,
    DEFAULT_STORE,
    ConfigsOption,
    DataDirOption,
    DeviceOption,
    JsonOption,
    ProtocolOption,
    StoreOption,
    SubsetOption,
    checked_device,
    split_names,
    use_data_dir,
)
from dlth_bench.cli.run import subset_for
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.harness.grid import chosen_configs, grid_runs
from dlth_bench.harness.store import Store
from dlth_bench.leaderboard.number_text import percent
from dlth_bench.spec.protocol_file import find_protocol

app = typer.Typer(name="bench", help="Measure how fast this machine trains.", no_args_is_help=True)
app.command("tickets")(tickets)


@app.command("step")
def step(
    context: typer.Context,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    configs: ConfigsOption = None,
    device: DeviceOption = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the whole and the bare step alternate.")] = 40,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each a round, at least.")] = 3,
    profile: Annotated[bool, typer.Option("--profile", help="Say where processor time goes, by part.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Images a second of the whole training step and of the bare networks, per config, and their ratio.

    With --profile: microseconds of processor time a step by part, in both.

    Example: dlth-bench bench step --protocol glyphs-ssl --json
    """
    spec = find_protocol(protocol)
    use_data_dir(context, spec.data.dataset, data_dir)
    picked = chosen_configs(spec, split_names(configs))
    checked_device(device)
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
    subset: SubsetOption,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    out: StoreOption = DEFAULT_STORE,
    configs: ConfigsOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Linear probes of the backbones as initialised, next to those of the stored, trained runs.

    Example: dlth-bench bench untrained --subset demo-24
    """
    spec = find_protocol(protocol)
    use_data_dir(context, spec.data.dataset, data_dir)
    file, store = subset_for(subset, spec), Store(out)
    import torch

    from dlth_bench.training.execute import Execution
    from dlth_bench.training.quiet import quiet_libraries

    quiet_libraries()
    torch.set_num_threads(1)
    dataset = protocol_dataset(spec.data)
    table = Table("Config", "Untrained top-1", "Trained top-1", "Gain in points")
    found = []
    for config in chosen_configs(spec, split_names(configs)):
        if config.evaluation is None or config.evaluation.kind != "linear":
            continue
        runs = grid_runs(spec, file.subset, configs=[config.name])
        floor = [Execution(run, dataset, device="cpu").untrained_accuracy() for run in runs]
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
