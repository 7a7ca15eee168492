"""Command-line options that several commands share."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.datasets.download import located
from dlth_bench.datasets.registry import DATASETS
from dlth_bench.engines.followers import follow, follows, leading, started_devices
from dlth_bench.engines.local import visible_gpus
from dlth_bench.engines.registry import ENGINES, check_engine
from dlth_bench.runs.run import Tuning
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted

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
        help="Folder of the protocol's dataset. Default: its name in DLTH_BENCH_DATA, else it is had from the Hub.",
    ),
]

DEFAULT_PROTOCOL = "glyphs-ssl"
DEFAULT_STORE = Path("runs")
DEFAULT_SUBMISSIONS = Path("submissions")
DEVICES = ("auto", "cpu", "cuda", "mps")


def use_data_dir(context: typer.Context, dataset: str, folder: Path | None) -> None:
    """Take the dataset from a folder until the command ends.

    Raises:
        InputError: there is no such folder, or the dataset comes with the package.
    """
    if folder is not None and DATASETS.find(dataset).hub is None:
        raise InputError(f"--data-dir: the images of {dataset} come with the package")
    context.with_resource(located(dataset, folder))


def split_names(text: str | None) -> list[str] | None:
    """``a,b`` as a list; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def chosen_seeds(text: str | None, known: tuple[int, ...]) -> list[int] | None:
    """Seeds from ``0,1``.

    Raises:
        InputError: one is not a number or not a seed of the protocol.
    """
    names = split_names(text)
    if names is None:
        return None
    wrong = [name for name in names if not re.fullmatch(r"-?[0-9]{1,18}", name) or int(name) not in known]
    if wrong or not names:
        given = quoted(wrong[0]) if wrong else "nothing"
        raise InputError(f"--seeds: {given} given; the protocol's seeds are {', '.join(map(str, known))}")
    return sorted({int(name) for name in names})


def checked_device(device: str) -> str:
    """The device's name.

    Raises:
        InputError: it is none of those there are, or not in this machine.
    """
    if device not in DEVICES:
        raise InputError(f"--device: {quoted(device)} is none of {', '.join(DEVICES)}")
    if device in {"cuda", "mps"}:
        import torch  # slow to import, and a run that finds no device has failed

        if not (torch.cuda if device == "cuda" else torch.backends.mps).is_available():
            raise InputError(f"--device: torch finds no {device} here; --device auto takes what there is")
    return device


def worker_count(workers: int | None, device: str) -> int:
    """How many runs to train at once: as asked, else one on each GPU, and without one as many as there are cores."""
    if workers is not None:
        return workers
    gpus = visible_gpus(device)
    if gpus or device == "cuda":
        return max(1, len(gpus))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


EngineOption = Annotated[str, typer.Option("--engine", help=f"Where runs are trained: {', '.join(ENGINES)}.")]
EngineOptionsOption = Annotated[
    list[str] | None,
    typer.Option("--engine-option", "-e", help="key=value for slurm or ray, as in docs/clusters.md; repeatable."),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Hand the runs to Slurm and return; see status and collect.")
]


@dataclass(frozen=True)
class Place:
    """Where runs are trained.

    workers: as the user gave it; at_once: how many runs that is here, None when the cluster decides.
    """

    engine: str
    options: tuple[str, ...]
    device: str
    workers: int | None
    at_once: int | None
    detach: bool
    tuning: Tuning = field(default_factory=Tuning)


def chosen_place(
    engine: str,
    options: list[str] | None,
    device: str,
    workers: int | None,
    *,
    detach: bool,
    tuning: Tuning = Tuning(),
) -> Place:
    """Where runs are trained.

    Raises:
        InputError: no such engine or device, a missing library, ``--detach`` without Slurm, or several runs at once
            that each take several devices.
    """
    entry = check_engine(engine)
    if detach and not entry.detaches:
        raise InputError("--detach: only Slurm goes on without this command; use --engine slurm")
    if entry.on_this_machine:
        checked = checked_device(device)
        if tuning.devices > 1 and workers not in {None, 1}:
            raise InputError(f"--workers {workers}: runs on {tuning.devices} devices are trained one after the other")
        count = 1 if tuning.devices > 1 else worker_count(workers, checked)
        return Place(engine, tuple(options or ()), checked, count, count, detach, tuning)
    if device not in DEVICES:  # whether there is one is for the nodes to know
        raise InputError(f"--device: {quoted(device)} is none of {', '.join(DEVICES)}")
    return Place(engine, tuple(options or ()), device, workers, workers, detach, tuning)


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
