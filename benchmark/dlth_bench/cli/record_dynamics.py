"""``dlth-bench record-dynamics``: how a model saw its training samples, the input of policies that go by it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dlth_bench.cli.shared import options
from dlth_bench.engines.engine import check_device
from dlth_bench.engines.record_dynamics import NotRecorded, RecordedRun, record_run, recording_run
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol
from dlth_bench.runs.dynamics_file import write_dynamics
from dlth_bench.runs.plan import full_data
from dlth_bench.runs.run import Run
from dlth_bench.subsets.find import find_subset
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.text import percent, printable


def record_dynamics(
    context: typer.Context,
    config: Annotated[str, typer.Option("--config", "-c", help="A config that learns from labels.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .safetensors file to write.")],
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the training.")] = 0,
    subset: Annotated[
        str | None,
        typer.Option("--subset", "-s", help="Train on a subset: a file, or a shipped one by name."),
    ] = None,
    convention: Annotated[
        Literal["epoch-end", "minibatch"],
        typer.Option("--convention", help="When a sample is right: after an epoch, or as it was last trained on."),
    ] = "epoch-end",
    device: options.Device = "auto",
    data_dir: options.DataDir = None,
) -> None:
    """Train a config and record for each training sample and epoch whether the model was right, and how sure.

    Of a config that pretrains without labels and then fine-tunes, the fine-tuning is recorded. Nothing is written
    before training has ended.

    Example: dlth-bench record-dynamics --config mae-finetune -o dynamics.safetensors
    """
    spec = find_protocol(protocol)
    options.use_data_dir(context, spec.data.dataset, data_dir)
    run = recording_run(spec, config, _training_data(spec, subset), seed, convention)
    check_device(device)
    try:
        recorded = _watched(run, spec.key, convention, device)
    except KeyboardInterrupt:
        typer.echo("stopped; nothing was written", err=True)
        raise typer.Exit(130) from None
    except NotRecorded as problem:
        typer.echo(f"nothing was written: {printable(str(problem), 500)}", err=True)
        raise typer.Exit(1) from None
    write_dynamics(output, recorded.header, recorded.sample_ids, recorded.labels, recorded.tensors)
    epochs, samples = recorded.tensors["correct"].shape
    told = f"{epochs} epochs of {samples} samples, {run.label}: top-1 {percent(recorded.result.accuracy)}"
    typer.echo(f"{printable(str(output))}: {told}")


def _training_data(protocol: Protocol, subset: str | None) -> Subset:
    """What to train on: all classes unless a subset is named."""
    if subset is None:
        return full_data(protocol)
    return find_subset(subset, protocol.data.dataset, protocol.data.images_per_class).subset


def _watched(run: Run, protocol: str, convention: Literal["epoch-end", "minibatch"], device: str) -> RecordedRun:
    """Train with a bar for each stage."""
    from dlth_bench.training.environment import prepare_process  # torch: slow to import

    prepare_process()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def report(stage: str, step: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{run.label}, {stage}", total=total)
            bars.update(tasks[stage], completed=step)  # type: ignore[arg-type]  # a task's ID is an int

        return record_run(run, protocol=protocol, convention=convention, device=device, report=report)
