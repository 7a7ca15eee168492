"""``dlth-bench select``: make a subset by a policy."""

from __future__ import annotations

import csv
import io
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import dlth_bench
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import printable, quoted
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

    Example: dlth-bench select rs --size 24 --seed 7 -o rs-7.txt

    Example: dlth-bench select pd-top --size 24 --accuracies table.csv -o easy.txt
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
        how = f"accuracies from {printable(accuracies.name)}"
    subset = Subset(dataset=dataset, ids=chosen)
    header = f"# {policy}, {size} of {len(catalog)} classes of {dataset}, {how}, dlth-bench {dlth_bench.__version__}\n"
    write_atomically(output, (header + subset.canonical_text()).encode())
    typer.echo(f"{printable(str(output))}: {len(subset)} classes, digest {subset.digest}")


def read_class_accuracies(path: Path, catalog: ClassCatalog) -> dict[str, float]:
    """Accuracy by class ID from a CSV with columns ``class`` and ``accuracy``, one row for each class of the catalog.

    Raises:
        InputError: with file and line, for a column, class or number that is wrong, or classes that are missing.
    """
    reader = csv.DictReader(io.StringIO(read_text_file(path)), strict=True)
    found: dict[str, float] = {}
    try:
        if not {"class", "accuracy"} <= set(reader.fieldnames or ()):
            raise InputError("needs the columns class and accuracy", source=path, line=1)
        for row in reader:
            class_id, accuracy = _class_accuracy(row, catalog, path, reader.line_num)
            if class_id in found:
                raise InputError(f"{quoted(class_id)} stands twice", source=path, line=reader.line_num)
            found[class_id] = accuracy
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", source=path, line=reader.reader.line_num) from None
    if len(found) < len(catalog):
        raise InputError(f"has {len(found)} of {len(catalog)} classes; every class needs an accuracy", source=path)
    return found


def _class_accuracy(row: dict[str, str | None], catalog: ClassCatalog, path: Path, line: int) -> tuple[str, float]:
    """The class ID and accuracy of a row; a row that is too short has None in its last fields."""
    spelling, text = ((row[column] or "").strip() for column in ("class", "accuracy"))
    index = catalog.index(spelling)
    if index is None:
        raise InputError(f"{catalog.dataset} has no class {quoted(spelling)}", source=path, line=line)
    try:
        accuracy = float(text)
    except ValueError:
        accuracy = math.nan
    if not math.isfinite(accuracy):
        raise InputError(f"{quoted(text)} is not a number", source=path, line=line)
    return catalog.ids[index], accuracy
