"""``dlth-bench paper``: the correlations that the paper prints, next to what follows from its numbers."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.cli.shared import options
from dlth_bench.paper.tables import CheckedRow, FullData, PaperTable, PrintedCheck, check_rows, findings, paper_tables
from dlth_bench.util.text import correlation, interval, probability


def paper(
    table: Annotated[int | None, typer.Option("--table", "-t", help="Only this table: 2, 3, 4 or 13.")] = None,
    as_json: options.Json = False,
) -> None:
    """Print the paper's Tables 2, 3, 4 and 13 next to what our scorer finds from the printed numbers.

    Example: dlth-bench paper --table 3
    """
    kept = paper_tables()
    tables = kept.tables if table is None else (kept.table(table),)
    checked = [(entry, check_rows(entry)) for entry in tables]
    if as_json:
        documents = [_document(entry, rows) for entry, rows in checked]
        typer.echo(json.dumps({"paper": kept.paper, "tables": documents}, indent=2))
        return
    console = Console()
    console.print(Text(kept.paper, style="bold"))
    for entry, rows in checked:
        _show(console, entry, rows)


def _show(console: Console, table: PaperTable, rows: tuple[CheckedRow, ...]) -> None:
    console.print()
    console.print(Text(f"Table {table.number} ({table.place}): {table.title}", style="bold"))
    if table.full is None:
        console.print(_correlations_alone(rows))
    else:
        console.print(_with_accuracies(table, table.full, rows))
        console.print(Text("; ".join(f"{config.short}: {config.title}" for config in table.configs), style="dim"))
    notes = Table.grid(padding=(0, 1, 0, 0))
    for sentence in findings(table, rows):
        notes.add_row("-", Text(sentence))
    console.print(notes)


def _with_accuracies(table: PaperTable, full: FullData, rows: tuple[CheckedRow, ...]) -> Table:
    """Printed accuracies and ρ, ours beside them, marked where they differ."""
    printed = full.kind == "printed"
    shown = _table([config.short for config in table.configs] + ["ρp", "ours", *(["rounding"] if printed else [])])
    for title in ("ρs", "ours"):
        shown.add_column(title, justify="right", no_wrap=True)
    digits = 2 if table.accuracy_step is None else round(-math.log10(table.accuracy_step))
    if printed:
        shown.add_row("Full data", *(f"{value:.{digits}f}" for value in full.values))
    for row in rows:
        accuracies = [f"{value:.{digits}f}" for value in row.row.accuracies]
        ends = [interval(*(row.pearson_rounding or (None, None)))] if printed else []
        shown.add_row(Text(row.row.subset), *accuracies, *_pair(row.pearson), *ends, *_pair(row.spearman))
    shown.caption = "ours: recomputed, ! where it is not what is printed" + (
        "; rounding: where ρp goes with the last digit" if printed else ""
    )
    shown.caption_justify = "left"
    return shown


def _correlations_alone(rows: tuple[CheckedRow, ...]) -> Table:
    """Printed ρ with what the number of configs says of them."""
    shown = _table(["ρp", "95 % (Fisher)", "ρs", "untied", "p"])
    for row in rows:
        untied = correlation(row.spearman_untied) + ("" if row.attainable else "!")
        shown.add_row(
            Text(row.row.subset),
            correlation(row.row.pearson),
            interval(*row.pearson_interval),
            correlation(row.row.spearman),
            untied,
            probability(row.spearman_p),
        )
    shown.caption = "untied: the nearest ρs without ties; p: share of random orders that reach ρs"
    shown.caption_justify = "left"
    return shown


def _table(titles: list[str]) -> Table:
    shown = Table("Subset", box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for title in titles:
        shown.add_column(title, justify="right", no_wrap=True)
    return shown


def _pair(check: PrintedCheck) -> tuple[str, str]:
    mark = "!" if check.follows is False else ""
    return correlation(check.printed), correlation(check.recomputed) + mark


def _document(table: PaperTable, rows: tuple[CheckedRow, ...]) -> dict[str, Any]:
    kept = table.model_dump(mode="json", exclude={"rows", "remarks"})
    return kept | {"rows": [_row_document(row) for row in rows], "findings": findings(table, rows)}


def _row_document(row: CheckedRow) -> dict[str, Any]:
    return {
        "subset": row.row.subset,
        "classes": row.row.classes,
        "accuracies": list(row.row.accuracies),
        "pearson": _check_document(row.pearson)
        | {"interval_over_configs": list(row.pearson_interval), "range_within_rounding": row.pearson_rounding},
        "spearman": _check_document(row.spearman)
        | {"nearest_without_ties": row.spearman_untied, "p_value": row.spearman_p},
        "exchanged": None if row.exchanged is None else _exchange_document(row, *row.exchanged),
        "why": row.row.why,
    }


def _exchange_document(row: CheckedRow, pearson: PrintedCheck, spearman: PrintedCheck) -> dict[str, Any]:
    return {"configs": row.row.exchange, "pearson": pearson.recomputed, "spearman": spearman.recomputed}


def _check_document(check: PrintedCheck) -> dict[str, Any]:
    return asdict(check) | {"difference": check.difference, "follows": check.follows}
