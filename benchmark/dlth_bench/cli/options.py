"""Command-line options that several commands share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.datasets.location import located
from dlth_bench.harness.engines.visible_gpus import visible_gpus
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted

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
    if folder is not None and dataset == "glyphs":
        raise InputError("--data-dir: the images of glyphs come with the package")
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
