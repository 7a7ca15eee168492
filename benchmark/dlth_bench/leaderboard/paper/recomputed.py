"""What follows from the numbers of a printed row, next to the correlations it prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dlth_bench.leaderboard.paper.tables import FullData, PaperTable, PrintedRow
from dlth_bench.scoring.correlation import FloatArray, Statistic, correlate
from dlth_bench.scoring.permutation import null_distribution

HALF_DIGIT = 0.0005 + 1e-9
"""A correlation printed with three decimals is this near to what was computed."""

_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class Check:
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
    pearson: Check
    spearman: Check
    pearson_interval: tuple[float, float]
    pearson_rounding: tuple[float, float] | None
    spearman_untied: float | None
    spearman_p: float | None
    exchanged: tuple[Check, Check] | None

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


def _checks(row: PrintedRow, accuracies: Sequence[float], table: PaperTable) -> tuple[Check, Check]:
    return (
        Check(row.pearson, correlation_with(accuracies, table.full, "pearson")),
        Check(row.spearman, correlation_with(accuracies, table.full, "spearman")),
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
