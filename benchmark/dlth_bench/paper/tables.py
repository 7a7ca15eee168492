"""The DLTH paper's printed tables, and what follows from their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import combinations, product
from typing import Annotated, Literal, Self

import numpy as np
import yaml
from pydantic import Field, model_validator

from dlth_bench.scoring.correlation import FloatArray, Statistic, average_ranks, correlate, null_distribution
from dlth_bench.scoring.scorecard import Correlation
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen
from dlth_bench.util.text import correlation, interval


class TableConfig(Frozen):
    """One config of a table's grid."""

    title: Annotated[str, Field(description="As in the paper.")]
    short: Annotated[str, Field(max_length=7, description="Heading of a narrow column.")]


class FullData(Frozen):
    """Full-data accuracies to compare a table's rows with, in the table's unit and order of configs."""

    kind: Annotated[
        Literal["printed", "published", "fitted"],
        Field(description="In the table itself; by others for the same networks; our inference from the printed ρ."),
    ]
    title: str
    source: str
    note: Annotated[str, Field(description="Why correlations with it may differ a little from the printed ones.")] = ""
    values: tuple[float, ...]


class PrintedRow(Frozen):
    """One subset's row."""

    subset: str
    classes: Annotated[int | None, Field(gt=0, description="None where the paper does not say.")] = None
    accuracies: Annotated[tuple[float, ...], Field(description="As printed; empty where they are a picture.")] = ()
    pearson: Correlation
    spearman: Correlation | None = None
    exchange: Annotated[
        tuple[str, str] | None, Field(description="Titles of two configs whose accuracies look exchanged.")
    ] = None
    why: Annotated[str, Field(description="The cause, where one is known, if a ρ does not follow.")] = ""


class PaperTable(Frozen):
    """A table of the paper."""

    number: int
    title: str
    place: Annotated[str, Field(description="Section or appendix.")]
    protocol: Annotated[str, Field(description="Name of the protocol that has the table's grid.")]
    configs: tuple[TableConfig, ...]
    accuracy_step: Annotated[float | None, Field(gt=0, description="Last printed digit of the accuracies.")] = None
    full: FullData | None = None
    elsewhere: tuple[FullData, ...] = ()
    rows: Annotated[tuple[PrintedRow, ...], Field(min_length=1)]
    remarks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        full = ([] if self.full is None else [self.full]) + list(self.elsewhere)
        vectors = [row.accuracies for row in self.rows if row.accuracies] + [entry.values for entry in full]
        if any(len(vector) != len(self.configs) for vector in vectors):
            raise ValueError(f"table {self.number}: a row has not {len(self.configs)} accuracies")
        return self


class PaperTables(Frozen):
    """All tables kept here, in the paper's order."""

    paper: str
    tables: tuple[PaperTable, ...]

    def table(self, number: int) -> PaperTable:
        """The table of a number.

        Raises:
            InputError: it is not kept here.
        """
        for table in self.tables:
            if table.number == number:
                return table
        known = ", ".join(str(table.number) for table in self.tables)
        raise InputError(f"no correlations of table {number} are kept here; there are tables {known}")


def paper_tables() -> PaperTables:
    """The tables that come with the package."""
    text = resources.files("dlth_bench.paper").joinpath("tables.yaml").read_text(encoding="utf-8")
    return PaperTables.model_validate(yaml.safe_load(text))


HALF_DIGIT = 0.0005 + 1e-9
"""A correlation printed with three decimals is this near to what was computed."""

_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class PrintedCheck:
    """One correlation of a row, as printed and as our scorer computes it; None where it is not or cannot be."""

    printed: float | None
    recomputed: float | None

    @property
    def difference(self) -> float | None:
        """Recomputed less printed."""
        if self.printed is None or self.recomputed is None:
            return None
        return self.recomputed - self.printed

    @property
    def follows(self) -> bool | None:
        """Whether the printed value is the recomputed one to its last digit; None where one is missing."""
        return None if self.difference is None else abs(self.difference) <= HALF_DIGIT


@dataclass(frozen=True)
class CheckedRow:
    """A printed row and what follows from it.

    Attributes:
        row: as printed.
        pearson: ρp.
        spearman: ρs.
        pearson_interval: 95 % interval of the printed ρp over configs, by Fisher's transform.
        pearson_rounding: from where to where ρp goes when accuracies and full data move within their last digit: the
            range over the ends and middles of their intervals; None unless the table prints both.
        spearman_untied: the value nearest to the printed ρs that accuracies without ties can give.
        spearman_p: share of all orders of the configs that reach the printed ρs.
        exchanged: the row after the exchange of two accuracies that look exchanged; None where none does.
    """

    row: PrintedRow
    pearson: PrintedCheck
    spearman: PrintedCheck
    pearson_interval: tuple[float, float]
    pearson_rounding: tuple[float, float] | None
    spearman_untied: float | None
    spearman_p: float | None
    exchanged: tuple[PrintedCheck, PrintedCheck] | None

    @property
    def attainable(self) -> bool:
        """Whether accuracies without ties can give the printed ρs; true where none is printed."""
        printed, untied = self.row.spearman, self.spearman_untied
        return printed is None or untied is None or abs(printed - untied) <= HALF_DIGIT


def check_rows(table: PaperTable) -> tuple[CheckedRow, ...]:
    """Compare the printed correlations of every row with what its accuracies, or its number of configs, allow."""
    order = np.arange(len(table.configs), dtype=np.float64)
    untied = null_distribution(order, order, "spearman")
    return tuple(_check_row(row, table, untied) for row in table.rows)


def fisher_interval(rho: float, configs: int) -> tuple[float, float]:
    """95 % interval for Pearson's correlation over a random draw of configs (Fisher 1921).

    Raises:
        ValueError: fewer than 4 configs, for which the transform has no variance, or ``rho`` not within (-1, 1).
    """
    if configs < 4:
        raise ValueError(f"{configs} configs, Fisher's interval needs at least 4")
    reach = _NORMAL_975 / math.sqrt(configs - 3)
    return math.tanh(math.atanh(rho) - reach), math.tanh(math.atanh(rho) + reach)


def correlation_with(accuracies: Sequence[float], full: FullData | None, statistic: Statistic) -> float | None:
    """A correlation of a row's accuracies with full-data ones; None where either is missing or constant."""
    if full is None or not accuracies:
        return None
    value = float(correlate(accuracies, full.values, statistic))
    return None if math.isnan(value) else value


def _check_row(row: PrintedRow, table: PaperTable, untied: FloatArray) -> CheckedRow:
    """``untied``: ρs of every order of the table's configs, ascending."""
    printed = row.spearman
    pearson, spearman = _checks(row, row.accuracies, table)
    return CheckedRow(
        row=row,
        pearson=pearson,
        spearman=spearman,
        pearson_interval=fisher_interval(row.pearson, len(table.configs)),
        pearson_rounding=_rounding(row, table),
        spearman_untied=None if printed is None else float(untied[np.abs(untied - printed).argmin()]),
        spearman_p=None if printed is None else float((untied >= printed - HALF_DIGIT).mean()),
        exchanged=_checks(row, _exchanged(row, table), table) if row.exchange else None,
    )


def _checks(row: PrintedRow, accuracies: Sequence[float], table: PaperTable) -> tuple[PrintedCheck, PrintedCheck]:
    return (
        PrintedCheck(row.pearson, correlation_with(accuracies, table.full, "pearson")),
        PrintedCheck(row.spearman, correlation_with(accuracies, table.full, "spearman")),
    )


def _exchanged(row: PrintedRow, table: PaperTable) -> list[float]:
    titles = [config.title for config in table.configs]
    first, second = (titles.index(title) for title in row.exchange or ())
    accuracies = list(row.accuracies)
    accuracies[first], accuracies[second] = accuracies[second], accuracies[first]
    return accuracies


def _rounding(row: PrintedRow, table: PaperTable) -> tuple[float, float] | None:
    full, step = table.full, table.accuracy_step
    if full is None or full.kind != "printed" or step is None or not row.accuracies:
        return None
    moves = np.array(list(product((-step / 2, 0.0, step / 2), repeat=len(table.configs))))
    values = correlate(np.array(row.accuracies) + moves, (np.array(full.values) + moves)[:, None], "pearson")
    return float(np.nanmin(values)), float(np.nanmax(values))


def findings(table: PaperTable, rows: Sequence[CheckedRow] | None = None) -> list[str]:
    """Sentences about a table: what follows from what it prints, what contradicts itself, and what cannot be told.

    Args:
        rows: of the table, where they are checked already.
    """
    checked = check_rows(table) if rows is None else rows
    return [
        *_follow(table, checked),
        *(sentence for row in checked for sentence in _row(row)),
        *_contradictions(table),
        *(_against(table, full) for full in table.elsewhere),
        *_overlap(table, checked),
        *table.remarks,
    ]


def row_note(row: CheckedRow) -> str:
    """What is wrong with a row's printed correlations, in a few words; empty where nothing is known to be."""
    if not row.attainable:
        return f"ρs needs tied accuracies (without: {correlation(row.spearman_untied)})"
    wrong = [
        f"{symbol} {correlation(check.recomputed)} recomputed"
        for symbol, check in (("ρp", row.pearson), ("ρs", row.spearman))
        if check.follows is False
    ]
    return ", ".join(wrong)


def _follow(table: PaperTable, rows: Sequence[CheckedRow]) -> list[str]:
    full = table.full
    if full is None:
        return ["The accuracies are printed as pictures, so no ρ can be recomputed."]
    counts = []
    for symbol, checks in (("ρp", [row.pearson for row in rows]), ("ρs", [row.spearman for row in rows])):
        known = [check.follows for check in checks if check.follows is not None]
        if known:
            counts.append(f"{sum(known)} of {len(known)} {symbol}")
    start = "" if full.kind == "printed" else "The full-data accuracies are not printed. "
    told = [f"{start}{' and '.join(counts)} follow to the last digit from {full.title} ({full.source})."]
    small = [f"{row.row.subset} {_differences(row)}" for row in rows if not row.row.why and _differences(row)]
    if small:
        told.append(f"Recomputed less printed: {'; '.join(small)}. {full.note}".rstrip())
    return told


def _row(row: CheckedRow) -> list[str]:
    """The cause of what does not follow, where one is known."""
    if not row.row.why:
        return []
    if not row.attainable:
        problem = f"without ties no accuracies give ρs {correlation(row.row.spearman)}"
    elif _differences(row):
        problem = f"recomputed less printed, {_differences(row)}"
    else:
        return []
    after = ""
    if row.exchanged is not None:
        pearson, spearman = (correlation(check.recomputed) for check in row.exchanged)
        after = f"; exchanged back, ρp is {pearson} and ρs {spearman}"
    return [f"{row.row.subset}: {problem}; {row.row.why}{after}."]


def _differences(row: CheckedRow) -> str:
    """``ρp −.129, ρs −.343``: by how much the printed values do not follow; empty where they do."""
    return ", ".join(
        f"{symbol} {'+' if check.difference > 0 else '−'}{correlation(abs(check.difference))}"
        for symbol, check in (("ρp", row.pearson), ("ρs", row.spearman))
        if check.difference is not None and check.follows is False
    )


def _contradictions(table: PaperTable) -> list[str]:
    """Rows that order the configs alike must have one ρs, whatever the full data are."""
    told = []
    for one, other in combinations([row for row in table.rows if row.accuracies and row.spearman is not None], 2):
        alike = np.array_equal(average_ranks(np.array(one.accuracies)), average_ranks(np.array(other.accuracies)))
        if alike and one.spearman != other.spearman:
            told.append(
                f"{one.subset} and {other.subset} order the configs alike, yet their ρs are "
                f"{correlation(one.spearman)} and {correlation(other.spearman)}: no full-data accuracies give both."
            )
    return told


def _against(table: PaperTable, full: FullData) -> str:
    values = [
        (row, correlation_with(row.accuracies, full, "pearson"), correlation_with(row.accuracies, full, "spearman"))
        for row in table.rows
    ]
    pearsons = [pearson for _, pearson, _ in values if pearson is not None]
    spearmans = [spearman for _, _, spearman in values if spearman is not None]
    fitting = sum(
        PrintedCheck(row.pearson, pearson).follows is True and PrintedCheck(row.spearman, spearman).follows is True
        for row, pearson, spearman in values
    )
    return (
        f"With {full.title} ({full.source}), ρp runs from {correlation(min(pearsons))} to "
        f"{correlation(max(pearsons))} and ρs from {correlation(min(spearmans))} to {correlation(max(spearmans))}: "
        f"{fitting or 'none'} of the {len(values)} rows follows."
    )


def _overlap(table: PaperTable, rows: Sequence[CheckedRow]) -> list[str]:
    """Whether the intervals over configs have a point in common."""
    low = max(row.pearson_interval[0] for row in rows)
    high = min(row.pearson_interval[1] for row in rows)
    if low > high:
        return []
    return [
        f"With {len(table.configs)} configs, the 95 % intervals of ρp over configs (Fisher) all hold "
        f"{interval(low, high)}: too wide to tell one row from another."
    ]
