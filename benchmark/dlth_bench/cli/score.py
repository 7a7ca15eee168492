"""``dlth-bench score``: score stored runs of a subset, or a plain table of accuracies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dlth_bench import bench
from dlth_bench.bench import as_subset
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.scorecard import show_scorecard
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol
from dlth_bench.runs.score import score_table
from dlth_bench.runs.store import DEFAULT_STORE
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.errors import InputError


def score(
    subset: Annotated[
        str | None, typer.Option("--subset", "-s", help="A list of classes or samples whose runs are stored.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="A table of accuracies: columns config,accuracy[,seed][,subset], or one a config."),
    ] = None,
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    exponent: options.Exponent = 0.0,
    out: options.Store = DEFAULT_STORE,
    as_json: options.Json = False,
) -> None:
    """Score a subset against the protocol's full-data reference, without training.

    Example: dlth-bench score --subset my-classes.txt

    Example: dlth-bench score --protocol glyphs-ssl --csv table.csv
    """
    spec = find_protocol(protocol)
    if (subset is None) == (csv is None):
        raise InputError("give either --subset (stored runs) or --csv (a table of accuracies)")
    cards = score_table(csv, spec) if csv is not None else _stored_card(spec, str(subset), exponent, out)
    if as_json:
        documents = {name: card.model_dump(mode="json") for name, card in cards.items()}
        only = next(iter(documents.values()))
        typer.echo(json.dumps(only if csv is None else documents, indent=2))
        return
    for name, card in cards.items():
        show_scorecard(card, name, Console())


def _stored_card(protocol: Protocol, subset: str, exponent: float, out: Path) -> dict[str, Scorecard]:
    return {as_subset(subset, protocol)[1]: bench.score(subset, protocol, exponent=exponent, store=out)}
