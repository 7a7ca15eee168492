"""``dlth-bench bench``: how fast this machine trains."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dlth_bench.cli.options import (
    DEFAULT_PROTOCOL,
    ConfigsOption,
    DeviceOption,
    JsonOption,
    ProtocolOption,
    checked_device,
    split_names,
)
from dlth_bench.datasets.registry import image_dataset
from dlth_bench.harness.plan import chosen_configs
from dlth_bench.spec.protocol_file import find_protocol

app = typer.Typer(name="bench", help="Measure how fast this machine trains.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``step`` a subcommand while it is the only one."""


@app.command("step")
def step(
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    configs: ConfigsOption = None,
    device: DeviceOption = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the whole and the bare step alternate.")] = 7,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each a round.")] = 10,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Images a second of the whole training step and of the bare networks, per config, and their ratio.

    Example: dlth-bench bench step --protocol glyphs-ssl --json
    """
    spec = find_protocol(protocol)
    picked = chosen_configs(spec, split_names(configs))
    checked_device(device)
    import torch

    from dlth_bench.training.quiet import quiet_libraries
    from dlth_bench.training.step_bench import bench_step

    quiet_libraries()
    torch.set_num_threads(threads)
    dataset = image_dataset(spec.data.dataset)
    table = Table("Config", "Batch", "Step img/s", "Model img/s", "Ratio")
    found = []
    for config in picked:
        result = bench_step(config, spec.data, dataset, device=device, rounds=rounds, steps=steps)
        found.append(result.model_dump(mode="json"))
        rates = (f"{result.step_images_per_second:.0f}", f"{result.model_images_per_second:.0f}", f"{result.ratio:.2f}")
        table.add_row(config.name, str(result.batch_size), *rates)
    if as_json:
        typer.echo(json.dumps({"protocol": spec.key, "device": device, "threads": threads, "configs": found}, indent=2))
        return
    Console().print(table)
