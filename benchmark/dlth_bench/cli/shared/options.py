"""Command-line options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.datasets.registry import data_at

Protocol = Annotated[
    str, typer.Option("--protocol", "-p", help="Protocol: its name, name@version, or the path of a .yaml file.")
]
_SUBSET = typer.Option(
    "--subset", "-s", help="The list of classes or samples: a file, or the name of a shipped subset."
)
Subset = Annotated[str, _SUBSET]
OptionalSubset = Annotated[str | None, _SUBSET]
Store = Annotated[Path, typer.Option("--out", "-o", help="Folder of the store of runs.")]
TableJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; progress goes to stderr.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, help="Runs trained at once. Default: one on each GPU, else one a core."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Configs = Annotated[str | None, typer.Option("--configs", help="Only these configs, separated by commas.")]
Submissions = Annotated[Path, typer.Option("--submissions", help="Folder of submissions.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be trained and its cost; train nothing.")]
KeepWeights = Annotated[
    bool, typer.Option("--keep-weights", help="Keep each run's pretrained encoder in the store, as safetensors.")
]
DataDir = Annotated[
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
