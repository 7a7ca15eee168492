"""``dlth-bench reference``: measure a protocol's full-data accuracies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from dlth_bench.bench import Training
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.train import PlaceOptions, train_plan
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol
from dlth_bench.runs.plan import full_data, make_plan
from dlth_bench.runs.score import make_reference, stored_results
from dlth_bench.runs.store import DEFAULT_STORE, Store
from dlth_bench.util.files import write_atomically


@options.with_groups
def reference(
    context: typer.Context,
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    out: options.Store = DEFAULT_STORE,
    configs: options.Configs = None,
    where: PlaceOptions = PlaceOptions(),
    keep_weights: options.KeepWeights = False,
    data_dir: options.DataDir = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Also write all results, one JSON a line, to this file.")
    ] = None,
) -> None:
    """Train every config on all classes and print the reference as YAML, ready for the protocol's file.

    Resumable: the same command goes on where it was stopped.

    Example: dlth-bench reference --protocol glyphs-ssl --results reference.jsonl
    """
    spec = find_protocol(protocol)
    options.use_data_dir(context, spec.data.dataset, data_dir)
    where.lead(context)
    training = Training(Store(out), where.place, keep_weights, "reference", "all classes")
    plan = make_plan(spec, full_data(spec), training.store, configs=options.split_names(configs))
    broken = train_plan(training, plan, Console(stderr=True))
    if broken or configs is not None:
        raise typer.Exit(1 if broken else 0)
    show_reference(spec, training.store, results)


def show_reference(protocol: Protocol, store: Store, results: Path | None = None) -> None:
    """Print the reference that the stored runs on all classes amount to.

    Args:
        results: a file that also takes all of them, one JSON a line.

    Raises:
        InputError: a config has too few finished seeds.
    """
    found = stored_results(protocol, full_data(protocol), store)
    if results is not None:
        lines = "".join(result.model_dump_json(exclude_defaults=True) + "\n" for result in found)
        write_atomically(results, lines.encode())
    document = {"reference": make_reference(protocol, found).model_dump(mode="json", exclude_defaults=True)}
    typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), nl=False)
