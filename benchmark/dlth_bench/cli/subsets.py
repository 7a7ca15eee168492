"""``dlth-bench subsets``: look at the shipped lists of classes or samples, and check one of your own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from dlth_bench.cli.shared import options
from dlth_bench.datasets.catalog import ClassInfo
from dlth_bench.subsets.find import SubsetFile, export_image_folder, find_subset, read_subset, shipped_subsets
from dlth_bench.util.text import printable, subset_size

_MAX_GROUPS = 12

app = typer.Typer(
    add_completion=False, name="subsets", help="Look at the shipped subsets, and check your own.", no_args_is_help=True
)

DatasetOption = Annotated[str | None, typer.Option("--dataset", "-d", help="Dataset, e.g. imagenet or glyphs.")]


@app.command("list")
def list_subsets(dataset: DatasetOption = None, as_json: options.TableJson = False) -> None:
    """List the shipped subsets.

    Example: dlth-bench subsets list --dataset imagenet
    """
    files = shipped_subsets(dataset)
    if as_json:
        typer.echo(json.dumps([_summary(file) for file in files], indent=2))
        return
    table = Table("Dataset", "Name", Column("Size", justify="right"), "Policy")
    for file in files:
        policy = "" if file.card is None else file.card.policy
        table.add_row(*map(Text, (file.subset.dataset, file.name, file.subset.counted, policy)))
    Console().print(table)


@app.command("show")
def show_subset(
    name_or_path: Annotated[str, typer.Argument(help="A shipped subset such as pd-bottom, or a file.")],
    dataset: DatasetOption = None,
    as_json: options.TableJson = False,
) -> None:
    """Show the classes of a subset, the parts of the class tree they come from, and its origin.

    Of a sample subset, also how many samples each class has; --json lists them.

    Example: dlth-bench subsets show pd-bottom
    """
    file = find_subset(name_or_path, dataset)
    members = _members(file)
    if as_json:
        classes = [{"id": info.id, "name": info.name, "tree": list(info.tree)} for info in members]
        samples = {"samples": file.subset.ids} if file.subset.unit == "sample" else {}
        typer.echo(json.dumps(_summary(file) | {"classes": classes} | samples, indent=2))
        return
    console = Console(highlight=False)
    for key, value in _summary(file).items():
        if value not in (None, ""):
            console.print(Text(f"{key}: {value}"), soft_wrap=True)
    console.print(_class_table(file, members))
    console.print("class tree:")
    for group, count in tree_summary(members):
        console.print(Text(f"{count:6d}  {group}"), soft_wrap=True)


@app.command("lint")
def lint_subset(
    path: Annotated[str, typer.Argument(help="The list of classes or samples: one ID a line, notes after #.")],
    dataset: DatasetOption = None,
) -> None:
    """Check a list of classes or samples: every ID known, none twice. Exit code 0 when it is fine, 2 when not.

    Example: dlth-bench subsets lint my-classes.txt --dataset glyphs
    """
    file = read_subset(path, dataset)
    subset = file.subset
    size = subset_size(len(subset.class_ids), subset.samples)
    typer.echo(f"OK: {printable(path)}: {size} of {subset.dataset}, digest {subset.digest}")


@app.command("export")
def export_subset(
    name_or_path: Annotated[str, typer.Argument(help="A shipped subset such as imagenet/pd-bottom, or a file.")],
    source: Annotated[Path, typer.Option("--from", help="The full dataset: class folders, or train and val of them.")],
    target: Annotated[Path, typer.Option("--to", help="Folder to make; nothing is overwritten.")],
    dataset: DatasetOption = None,
) -> None:
    """Make an ImageFolder of a class subset: a symbolic link to each of its class folders.

    Example: dlth-bench subsets export imagenet/pd-bottom --from /data/imagenet --to pd-bottom
    """
    links = export_image_folder(find_subset(name_or_path, dataset).subset, source, target)
    typer.echo(f"{printable(str(target))}: links to {len(links)} class folders of {printable(str(source))}")


def tree_summary(members: tuple[ClassInfo, ...], max_groups: int = _MAX_GROUPS) -> list[tuple[str, int]]:
    """Where in the class tree the members lie: at most ``max_groups`` branches with their class counts.

    From the root on, the branch with most members is split into its children wherever the limit allows; one
    with a single member stays. A branch is named by its last two nodes. The counts sum to the number of
    members; the largest comes first.
    """
    groups: Counter[tuple[str, ...]] = Counter({(): len(members)})
    whole: set[tuple[str, ...]] = set()
    while candidates := [path for path in groups if path not in whole and (groups[path] > 1 or not path)]:
        largest = max(candidates, key=lambda path: (groups[path], path))
        depth = len(largest)
        parts = Counter(info.tree[: depth + 1] for info in members if info.tree[:depth] == largest)
        if len(groups) - 1 + len(parts) > max_groups:
            whole.add(largest)
            continue
        del groups[largest]
        groups.update(parts)
        if largest in parts:  # members directly below this node: nothing left to split
            whole.add(largest)
    ordered = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    return [(" / ".join(path[-2:]) or "(root)", count) for path, count in ordered]


def _members(file: SubsetFile) -> tuple[ClassInfo, ...]:
    """The classes of the subset in the dataset's own order."""
    chosen = set(file.subset.class_ids)
    return tuple(info for info in file.catalog if info.id in chosen)


def _class_table(file: SubsetFile, members: tuple[ClassInfo, ...]) -> Table:
    """ID and name of each class, and of a sample subset how many samples it has of the class."""
    samples = Counter(item.partition("/")[0] for item in file.subset.ids) if file.subset.unit == "sample" else None
    table = Table("ID", "Name")
    if samples is not None:
        table.add_column("Samples", justify="right")
    for info in members:
        count = [] if samples is None else [Text(str(samples[info.id]))]
        table.add_row(Text(info.id, no_wrap=True), Text(info.name), *count)
    return table


def _summary(file: SubsetFile) -> dict[str, object]:
    return {
        "dataset": file.subset.dataset,
        "name": printable(file.name),
        "unit": file.subset.unit,
        "size": len(file.subset),
        "digest": file.subset.digest,
    } | {part: getattr(file.card, part, None) for part in ("policy", "source", "licence", "notes")}
