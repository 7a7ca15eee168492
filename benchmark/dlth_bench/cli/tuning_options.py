"""How the steps of runs are computed, as the command line says it."""

from __future__ import annotations

from typing import Annotated

import typer

from dlth_bench.harness.together import follow, follows, leading, started_devices
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.tuning import Tuning

DevicesOption = Annotated[
    int | None,
    typer.Option("--devices", min=1, help="Devices that train each run together. Default: 1, or torchrun's processes."),
]
MicroBatchOption = Annotated[
    int | None,
    typer.Option("--micro-batch", min=1, help="Samples computed at once, on each device. Default: as many as fit."),
]
CheckpointingOption = Annotated[
    bool, typer.Option("--checkpoint-activations", help="Less memory for a third more computation.")
]
CompileOption = Annotated[bool, typer.Option("--compile", help="Run the networks' blocks through torch.compile.")]


def chosen_tuning(
    devices: int | None, micro_batch: int | None, checkpoint_activations: bool, compile_blocks: bool
) -> Tuning:
    """How steps are computed.

    Raises:
        InputError: another number of devices than ``torchrun`` started processes for.
    """
    started = started_devices()
    if started > 1 and devices not in {None, started}:
        raise InputError(f"--devices {devices}: torchrun started {started} processes, one a device")
    return Tuning(
        devices=started if started > 1 else devices or 1,
        micro_batch=micro_batch,
        checkpoint_activations=checkpoint_activations,
        compile=compile_blocks,
    )


def take_place(context: typer.Context, device: str, tuning: Tuning) -> None:
    """Lead the other processes until the command ends, or follow the first one, which ends this process's command."""
    if follows(tuning.devices):
        follow(device, tuning)
        raise typer.Exit
    context.with_resource(leading(device, tuning.devices))
