"""``dlth-bench select``: make a subset by a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.selection.policy import Algorithm, Option, Representative, Ties
from dlth_bench.selection.provenance import subset_file_text
from dlth_bench.selection.registry import build_request, choose_classes, class_policies, find_policy
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.subset import Subset

POLICY_LIST = "Policies:\n\n" + "\n\n".join(f"{policy.name}: {policy.summary}" for policy in class_policies())


def select(
    policy: Annotated[str, typer.Argument(help="One of the policies below.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The class list to write.")],
    size: Annotated[int | None, typer.Option("--size", "-n", min=1, help="How many classes; erc: 100.")] = None,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="glyphs or imagenet.")] = "glyphs",
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="rs, erc, wec, sec: default 0.")] = None,
    accuracies: Annotated[
        list[Path] | None,
        typer.Option("--accuracies", help="pd-*, erc: CSV or Parquet of per-class accuracies; erc: repeat it."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="pd-*: column of a table of several models.")] = None,
    ties: Annotated[Ties | None, typer.Option("--ties", help="erc: whether equal accuracies keep the order.")] = None,
    margin: Annotated[
        float | None, typer.Option("--margin", help="erc: differences up to this are ties, e.g. 0.02.")
    ] = None,
    threshold: Annotated[
        int | None, typer.Option("--threshold", min=1, help="erc: draw only from more than this; twice the size.")
    ] = None,
    tree: Annotated[Path | None, typer.Option("--tree", help="wnh: CSV child,parent in place of the own.")] = None,
    representative: Annotated[
        Representative | None, typer.Option("--representative", help="wnh: which class of a group.")
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option("--embeddings", help="wec, sec: .npy with a row for each class in order.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="wec: text model by Hub name or folder; none: TF-IDF.")
    ] = None,
    algorithm: Annotated[Algorithm | None, typer.Option("--algorithm", help="wec, sec: the clustering.")] = None,
) -> None:
    """Choose classes by a policy and write them as a subset file whose header says how.

    Example: dlth-bench select rs --size 24 --seed 7 -o rs-7.txt

    Example: dlth-bench select pd-top --size 24 --accuracies table.csv -o easy.txt

    Example: dlth-bench select erc --dataset imagenet --accuracies dino.csv --accuracies mae.csv -o erc.txt
    """
    options: dict[Option, Any] = {
        "accuracies": tuple(accuracies) if accuracies else None,
        "model": model,
        "ties": ties,
        "margin": margin,
        "threshold": threshold,
        "tree": tree,
        "representative": representative,
        "embeddings": embeddings,
        "encoder": encoder,
        "algorithm": algorithm,
        "seed": seed,
    }
    asked = find_policy(policy)
    given = {option: value for option, value in options.items() if value is not None}
    request = build_request(asked, class_catalog(dataset), size, given)
    choice = choose_classes(asked, request)
    write_atomically(output, subset_file_text(asked, request, choice).encode())
    for note in choice.notes:
        typer.echo(note)
    subset = Subset(dataset=request.catalog.dataset, ids=choice.class_ids)
    typer.echo(f"{printable(str(output))}: {len(subset)} classes, digest {subset.digest}")
