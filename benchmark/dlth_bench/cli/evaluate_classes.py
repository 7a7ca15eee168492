"""``dlth-bench evaluate-classes``: per-class accuracies, the input of the policies that go by difficulty."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.cli.options import DEFAULT_PROTOCOL, ProtocolOption
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.harness.grid import chosen_configs
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.protocol_file import find_protocol, reference_results_path


def evaluate_classes(
    config: Annotated[str, typer.Option("--config", "-c", help="The config whose accuracies to write.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV to write: class,accuracy.")],
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    results: Annotated[
        Path | None,
        typer.Option("--results", help="Results on all classes, one JSON a line. Default: the shipped reference's."),
    ] = None,
) -> None:
    """Write a config's accuracy on each class, the mean over its full-data seeds.

    Example: dlth-bench evaluate-classes --config mae-finetune -o classes.csv
    """
    spec = find_protocol(protocol)
    chosen_configs(spec, [config])
    from dlth_bench.selection.stored_accuracies import mean_class_accuracies, read_results

    found = read_results(results or reference_results_path(spec))
    means = mean_class_accuracies(spec, config, found, class_catalog(spec.data.dataset))
    rows = "".join(f"{class_id},{mean:.6f}\n" for class_id, mean in means.items())
    write_atomically(output, f"class,accuracy\n{rows}".encode())
    typer.echo(f"{output}: {len(means)} classes")
