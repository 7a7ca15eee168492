"""``dlth-bench select``: make a subset by a policy."""

from __future__ import annotations

import csv
import io
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import dlth_bench
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.subset import Subset
from dlth_bench.spec.text_file import read_text_file


class Policy(StrEnum):
    """The policies that can be asked for."""

    RS = "rs"
    PD_TOP = "pd-top"
    PD_MID = "pd-mid"
    PD_BOTTOM = "pd-bottom"
    PD_UNIFORM = "pd-uniform"


def select(
    policy: Annotated[Policy, typer.Argument(help="rs: random; pd-*: by the accuracy of a model on each class.")],
    size: Annotated[int, typer.Option("--size", "-n", min=1, help="How many classes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The class list to write.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="glyphs or imagenet.")] = "glyphs",
    seed: Annotated[int, typer.Option("--seed", help="rs: seed of the draw.")] = 0,
    accuracies: Annotated[
        Path | None, typer.Option("--accuracies", help="pd-*: CSV with columns class,accuracy for every class.")
    ] = None,
) -> None:
    """Choose classes by a policy and write them as a subset file whose header says how.

    Examples: dlth-bench select rs --size 24 --seed 7 -o rs-7.txt;
    dlth-bench select pd-bottom --size 24 --accuracies classes.csv -o hardest.txt
    """
    catalog = class_catalog(dataset)
    if policy is Policy.RS:
        from dlth_bench.selection.random_sampling import random_classes

        chosen, how = random_classes(catalog.ids, size, seed), f"seed {seed}"
    else:
        if accuracies is None:
            raise InputError(f"{policy} needs --accuracies, a CSV with columns class,accuracy")
        from dlth_bench.selection.performance_driven import performance_driven

        pattern = policy.removeprefix("pd-")
        chosen = performance_driven(read_class_accuracies(accuracies, catalog), size, pattern)  # type: ignore[arg-type]
        how = f"accuracies from {accuracies.name}"
    subset = Subset(dataset=dataset, ids=chosen)
    header = f"# {policy}, {size} of {len(catalog)} classes of {dataset}, {how}, dlth-bench {dlth_bench.__version__}\n"
    write_atomically(output, (header + subset.canonical_text()).encode())
    typer.echo(f"{output}: {len(subset)} classes, digest {subset.digest}")


def read_class_accuracies(path: Path, catalog: ClassCatalog) -> dict[str, float]:
    """Accuracy by class ID from a CSV with columns ``class`` and ``accuracy``, one row for each class of the catalog.

    Raises:
        InputError: with file and line, for a column, class or number that is wrong, or classes that are missing.
    """
    reader = csv.DictReader(io.StringIO(read_text_file(path)))
    if not {"class", "accuracy"} <= set(reader.fieldnames or ()):
        raise InputError("needs the columns class and accuracy", source=path, line=1)
    found: dict[str, float] = {}
    for row in reader:
        index = catalog.index((row["class"] or "").strip())
        if index is None:
            raise InputError(
                f"{catalog.dataset} has no class {quoted(str(row['class']))}", source=path, line=reader.line_num
            )
        try:
            found[catalog.ids[index]] = float(row["accuracy"])
        except (TypeError, ValueError):
            raise InputError(
                f"{quoted(str(row['accuracy']))} is not a number", source=path, line=reader.line_num
            ) from None
    if len(found) < len(catalog):
        raise InputError(f"has {len(found)} of {len(catalog)} classes; every class needs an accuracy", source=path)
    return found
