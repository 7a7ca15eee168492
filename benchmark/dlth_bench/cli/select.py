"""The options of ``dlth-bench select``, one entry each, in the panels of its ``--help``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dlth_bench.selection.policy import Algorithm, Criterion, Draw, NeverLearned, Option, Policy, Representative, Ties
from dlth_bench.selection.registry import class_policies, sample_policies
from dlth_bench.selection.select import choose_subset
from dlth_bench.util.files import write_atomically
from dlth_bench.util.text import printable


def _option(kind: Any, panel: str, text: str, *flags: str, **further: Any) -> object:
    return Annotated[kind | None, typer.Option(*flags, help=text, rich_help_panel=panel, **further)]


_RANDOM = "Drawing"
_ACCURACY = "By accuracy: pd-*, erc, consistent"
_CLUSTER = "By class tree or embedding: wnh, wec, sec"
_DYNAMICS = "By training dynamics: forgetting, el2n, entropy, svp, kcenter, herding, easy, hard, consistent"
_SEARCH = "By a search for a ticket: prac"
_POOL = "Which samples there are"

OPTIONS: dict[Option, object] = {
    "seed": _option(int, _RANDOM, "Of what is drawn at random; default 0.", min=0),
    "balanced": _option(bool, _RANDOM, "The same number of samples of each class.", "--balanced"),
    "draw": _option(Draw, _RANDOM, "nir: which samples of a class; default random."),
    "accuracies": _option(list[Path], _ACCURACY, "CSV or Parquet of per-class accuracies; erc: repeat it."),
    "model": _option(str, _ACCURACY, "pd-*: the column to take; erc: those to compare, with commas."),
    "correctness": _option(list[Path], _ACCURACY, "consistent: CSV or Parquet sample,CONFIG,...; may be repeated."),
    "ties": _option(Ties, _ACCURACY, "Whether equal accuracies keep the order; erc: strict, consistent: allow."),
    "margin": _option(float, _ACCURACY, "Differences up to this are ties, e.g. 0.02."),
    "threshold": _option(int, _ACCURACY, "erc: draw only from more than this; default twice the size.", min=1),
    "tree": _option(Path, _CLUSTER, "wnh: CSV child,parent in place of the own."),
    "representative": _option(Representative, _CLUSTER, "wnh: which class of a group."),
    "embeddings": _option(Path, _CLUSTER, "wec, sec: .npy with a row for each class in order."),
    "encoder": _option(str, _CLUSTER, "wec: text model by Hub name or folder; none: TF-IDF."),
    "algorithm": _option(Algorithm, _CLUSTER, "wec, sec: the clustering."),
    "dynamics": _option(list[Path], _DYNAMICS, "What record-dynamics wrote; repeat it for several trainings."),
    "search": _option(Path, _SEARCH, "A stored run of a config that prunes with prac: its folder or result.json."),
    "never_learned": _option(NeverLearned, _DYNAMICS, "forgetting, svp: where such samples rank; default first."),
    "epochs": _option(int, _DYNAMICS, "el2n: mean over so many first epochs; default 10.", min=1),
    "criterion": _option(Criterion, _DYNAMICS, "svp: default least-confidence."),
    "protocol": _option(str, _POOL, "Choose among its training samples; for glyphs by default glyphs-ssl."),
    "samples": _option(Path, _POOL, "CSV or Parquet with a column 'sample', for a dataset not at hand."),
}


def with_policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with all of ``OPTIONS`` in place of its ``**given``; those a user left out arrive as None."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    further = [
        inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for option, annotation in OPTIONS.items()
    ]
    command.__signature__ = inspect.Signature([*named, *further])  # type: ignore[attr-defined]
    return command


def _listing(title: str, policies: Iterable[Policy[Any]]) -> str:
    return "\n\n".join([title, *(f"{policy.name}: {policy.summary}" for policy in policies)])


POLICY_LIST = "\n\n".join(
    [_listing("Policies that choose classes:", class_policies()), _listing("Samples:", sample_policies())]
)

app = typer.Typer(add_completion=False)


@app.command("select", epilog=POLICY_LIST)
@with_policy_options
def select(
    policy: Annotated[str, typer.Argument(help="One of the policies below.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The list to write.")],
    size: Annotated[
        int | None, typer.Option("--size", "-n", min=1, help="How many classes, or samples in all; erc: 100.")
    ] = None,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Dataset to choose from.")] = "glyphs",
    unit: Annotated[
        Literal["class", "sample"] | None, typer.Option("--unit", help="rs: what to choose; default class.")
    ] = None,
    **given: Any,
) -> None:
    """Choose classes or samples by a policy and write them as a subset file whose header says how.

    Example: dlth-bench select rs --size 24 --seed 7 -o rs-7.txt

    Example: dlth-bench select pd-top --size 24 --accuracies table.csv -o easy.txt

    Example: dlth-bench select erc --dataset imagenet --accuracies dino.csv --accuracies mae.csv -o erc.txt

    Example: dlth-bench select forgetting --size 1152 --dynamics mae.safetensors -o forgotten.txt

    Example: dlth-bench select prac --search runs/3f/3f20...c1 --size 1152 -o critical.txt
    """
    found = choose_subset(policy, _said(given), dataset=dataset, size=size, unit=unit)
    write_atomically(output, found.text.encode())
    for note in found.notes:
        typer.echo(note)
    typer.echo(f"{printable(str(output))}: {found.subset.counted}, digest {found.subset.digest}")


def _said(given: Mapping[str, Any]) -> dict[Option, Any]:
    """What the user gave, repeated options as tuples."""
    values = {option: given[option] for option in OPTIONS if given[option] not in (None, [])}
    return {option: tuple(value) if isinstance(value, list) else value for option, value in values.items()}
