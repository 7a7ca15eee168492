"""Command-line options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.datasets.registry import data_at
from dlth_bench.engines.engine import ENGINES
from dlth_bench.engines.followers import follow, follows, leading, started_devices
from dlth_bench.runs.run import Tuning
from dlth_bench.util.errors import InputError

ProtocolOption = Annotated[
    str, typer.Option("--protocol", "-p", help="Protocol: its name, name@version, or the path of a .yaml file.")
]
SubsetOption = Annotated[
    str, typer.Option("--subset", "-s", help="The list of classes or samples: a file, or the name of a shipped subset.")
]
OptionalSubsetOption = Annotated[
    str | None,
    typer.Option("--subset", "-s", help="The list of classes or samples: a file, or the name of a shipped subset."),
]
SmokeOption = Annotated[
    bool,
    typer.Option("--smoke", help="Only see whether every config trains here: a few steps each, no score, no store."),
]
RacingOption = Annotated[
    bool,
    typer.Option("--racing", help="Spend no further seed on a config whose place is settled. Then there is no rank."),
]
StoreOption = Annotated[Path, typer.Option("--out", "-o", help="Folder of the store of runs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; progress goes to stderr.")]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, help="Runs trained at once. Default: one on each GPU, else one a core."),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
ConfigsOption = Annotated[str | None, typer.Option("--configs", help="Only these configs, separated by commas.")]
SeedsOption = Annotated[str | None, typer.Option("--seeds", help="Only these of the protocol's seeds, e.g. 0,1.")]
SubmissionsOption = Annotated[Path, typer.Option("--submissions", help="Folder of submissions.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be trained and its cost; train nothing.")]

KeepWeightsOption = Annotated[
    bool, typer.Option("--keep-weights", help="Keep each run's pretrained encoder in the store, as safetensors.")
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the protocol's dataset. Default: its name in DLTH_BENCH_DATA, else from the Hub.",
    ),
]

DEFAULT_SUBMISSIONS = Path("submissions")


def use_data_dir(context: typer.Context, dataset: str, folder: Path | None) -> None:
    """Take the dataset from a folder until the command ends.

    Raises:
        InputError: there is no such folder, or the dataset comes with the package.
    """
    context.with_resource(data_at(dataset, folder))


def split_names(text: str | None) -> list[str] | None:
    """``a,b`` as a list; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


EngineOption = Annotated[str, typer.Option("--engine", help=f"Where runs are trained: {', '.join(ENGINES)}.")]
EngineOptionsOption = Annotated[
    list[str] | None,
    typer.Option("--engine-option", "-e", help="key=value for slurm or ray, as in docs/clusters.md; repeatable."),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Hand the runs to Slurm and return; see status and collect.")
]


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
