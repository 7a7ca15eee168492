"""``dlth-bench subsets``: look at the shipped class lists, and check one of your own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.datasets.export import export_image_folder
from dlth_bench.datasets.subset_files import SubsetFile, find_subset, read_subset, shipped_subsets
from dlth_bench.spec.classes import ClassInfo
from dlth_bench.spec.quoting import printable

_MAX_GROUPS = 12

app = typer.Typer(name="subsets", help="Look at the shipped class lists, and check your own.", no_args_is_help=True)

DatasetOption = Annotated[str | None, typer.Option("--dataset", "-d", help="Dataset, e.g. imagenet or glyphs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_subsets(dataset: DatasetOption = None, as_json: JsonOption = False) -> None:
    """List the shipped subsets.

    Example: dlth-bench subsets list --dataset imagenet
    """
    files = shipped_subsets(dataset)
    if as_json:
        typer.echo(json.dumps([_summary(file) for file in files], indent=2))
        return
    table = Table("Dataset", "Name", "Classes", "Policy")
    table.columns[2].justify = "right"
    for file in files:
        policy = "" if file.card is None else file.card.policy
        table.add_row(*map(Text, (file.subset.dataset, file.name, str(len(file.subset)), policy)))
    Console().print(table)


@app.command("show")
def show_subset(
    name_or_path: Annotated[str, typer.Argument(help="A shipped subset such as pd-bottom, or a file.")],
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the classes of a subset, the parts of the class tree they come from, and its origin.

    Example: dlth-bench subsets show pd-bottom
    """
    file = find_subset(name_or_path, dataset)
    members = _members(file)
    if as_json:
        classes = [{"id": info.id, "name": info.name, "tree": list(info.tree)} for info in members]
        typer.echo(json.dumps(_summary(file) | {"classes": classes}, indent=2))
        return
    console = Console(highlight=False)
    for key, value in _summary(file).items():
        if value not in (None, ""):
            console.print(Text(f"{key}: {value}"), soft_wrap=True)
    table = Table("ID", "Name")
    for info in members:
        table.add_row(Text(info.id, no_wrap=True), Text(info.name))
    console.print(table)
    console.print("class tree:")
    for group, count in tree_summary(members):
        console.print(Text(f"{count:6d}  {group}"), soft_wrap=True)


@app.command("lint")
def lint_subset(
    path: Annotated[str, typer.Argument(help="The class list: one ID a line, notes after #.")],
    dataset: DatasetOption = None,
) -> None:
    """Check a class list: every ID known, none twice. Exit code 0 when it is fine, 2 when not.

    Example: dlth-bench subsets lint my-classes.txt --dataset glyphs
    """
    file = read_subset(path, dataset)
    subset = file.subset
    count = "1 class" if len(subset) == 1 else f"{len(subset)} classes"
    typer.echo(f"OK: {printable(path)}: {count} of {subset.dataset}, digest {subset.digest}")


@app.command("export")
def export_subset(
    name_or_path: Annotated[str, typer.Argument(help="A shipped subset such as imagenet/pd-bottom, or a file.")],
    source: Annotated[Path, typer.Option("--from", help="The full dataset: class folders, or train and val of them.")],
    target: Annotated[Path, typer.Option("--to", help="Folder to make; nothing is overwritten.")],
    dataset: DatasetOption = None,
) -> None:
    """Make an ImageFolder of a subset: a symbolic link to each of its class folders.

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
    chosen = set(file.subset.ids)
    return tuple(info for info in file.catalog if info.id in chosen)


def _summary(file: SubsetFile) -> dict[str, str | int | None]:
    card = file.card
    return {
        "dataset": file.subset.dataset,
        "name": printable(file.name),
        "unit": file.subset.unit,
        "size": len(file.subset),
        "digest": file.subset.digest,
        "policy": card.policy if card else None,
        "source": card.source if card else None,
        "licence": card.licence if card else None,
        "notes": card.notes if card else None,
    }
