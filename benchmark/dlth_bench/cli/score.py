"""``dlth-bench score``: score stored runs of a subset, or a plain table of accuracies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dlth_bench.cli.run import subset_for
from dlth_bench.cli.shared.options import DEFAULT_PROTOCOL, DEFAULT_STORE, JsonOption, ProtocolOption, StoreOption
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.store import Store
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted


def score(
    subset: Annotated[
        str | None, typer.Option("--subset", "-s", help="A list of classes or samples whose runs are stored.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="A table of accuracies: columns config,accuracy[,seed][,subset], or one a config."),
    ] = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    out: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Score a subset against the protocol's full-data reference, without training.

    Example: dlth-bench score --subset my-classes.txt

    Example: dlth-bench score --protocol glyphs-ssl --csv table.csv
    """
    spec = find_protocol(protocol)
    if (subset is None) == (csv is None):
        raise InputError("give either --subset (stored runs) or --csv (a table of accuracies)")
    cards = _table_cards(spec, csv) if csv is not None else _stored_card(spec, str(subset), out)
    if as_json:
        documents = {name: card.model_dump(mode="json") for name, card in cards.items()}
        only = next(iter(documents.values()))
        typer.echo(json.dumps(only if csv is None else documents, indent=2))
        return
    from dlth_bench.cli.shared.scorecard import show_scorecard

    for name, card in cards.items():
        show_scorecard(card, name, Console())


def _stored_card(protocol: Protocol, subset: str, out: Path) -> dict[str, Scorecard]:
    from dlth_bench.runs.score import score_results, stored_results

    file = subset_for(subset, protocol)
    results = stored_results(protocol, file.subset, Store(out))
    if not results:
        raise InputError(
            f"no run of {quoted(file.name)} under {protocol.key}; train them with: dlth-bench run", source=out
        )
    return {file.name: score_results(protocol, file.subset, results)}


def _table_cards(protocol: Protocol, path: Path) -> dict[str, Scorecard]:
    from dlth_bench.runs.score import read_accuracy_table, seeds_in
    from dlth_bench.scoring.score import make_scorecard

    tables = read_accuracy_table(path, protocol)
    return {
        name or path.stem: make_scorecard(protocol, cells, seeds=seeds_in([cells])) for name, cells in tables.items()
    }
