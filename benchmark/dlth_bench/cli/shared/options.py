"""Command-line options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

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
Exponent = Annotated[
    float,
    typer.Option(
        "--exponent",
        help="Length of training, one of the protocol's exponents a: (N/n)^a times the epochs for n of N classes or "
        "samples. 0: equal epochs, 1: equal updates.",
    ),
]
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


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field in place of every parameter that is a dataclass of options."""
    signature = inspect.signature(command, eval_str=True)
    kinds = {name: each.annotation for name, each in signature.parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for name, each in signature.parameters.items():
        group = inspect.signature(groups[name], eval_str=True).parameters.values() if name in groups else [each]
        parameters += [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in group]

    @wraps(command)
    def called(**given: Any) -> None:
        taken = {name: {field.name: given.pop(field.name) for field in fields(kind)} for name, kind in groups.items()}
        command(**given, **{name: kind(**taken[name]) for name, kind in groups.items()})

    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return called
