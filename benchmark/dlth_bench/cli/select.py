"""``dlth-bench select``: make a subset by a policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dlth_bench.cli.policy_options import OPTIONS, with_policy_options
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.selection.policy import Asked, Option, Policy
from dlth_bench.selection.provenance import subset_file_text, subset_of
from dlth_bench.selection.registry import (
    build_request,
    build_sample_request,
    choose,
    class_policies,
    find_class_policy,
    find_sample_policy,
    sample_policies,
    unit_of,
)
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import printable


def _listing(title: str, policies: Iterable[Policy[Any]]) -> str:
    return "\n\n".join([title, *(f"{policy.name}: {policy.summary}" for policy in policies)])


POLICY_LIST = "\n\n".join(
    [_listing("Policies that choose classes:", class_policies()), _listing("Samples:", sample_policies())]
)


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
    options = _said(given)
    if (unit or unit_of(policy)) == "class":
        asked = find_class_policy(policy)
        _write(asked, build_request(asked, class_catalog(dataset), size, options), output)
    else:
        chosen = find_sample_policy(policy)
        _write(chosen, build_sample_request(chosen, dataset, size, options), output)


def _said(given: Mapping[str, Any]) -> dict[Option, Any]:
    """What the user gave, repeated options as tuples."""
    values = {option: given[option] for option in OPTIONS if given[option] not in (None, [])}
    return {option: tuple(value) if isinstance(value, list) else value for option, value in values.items()}


def _write(policy: Policy[Asked], request: Asked, output: Path) -> None:
    choice = choose(policy, request)
    write_atomically(output, subset_file_text(policy, request, choice).encode())
    for note in choice.notes:
        typer.echo(note)
    subset = subset_of(policy, request, choice)
    typer.echo(f"{printable(str(output))}: {subset.counted}, digest {subset.digest}")
