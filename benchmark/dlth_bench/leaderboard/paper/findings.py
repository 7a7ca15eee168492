"""What the rows of a printed table say together, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from dlth_bench.leaderboard.number_text import correlation, interval
from dlth_bench.leaderboard.paper.recomputed import Check, CheckedRow, check_rows, correlation_with
from dlth_bench.leaderboard.paper.tables import FullData, PaperTable
from dlth_bench.scoring.correlation import average_ranks


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
        Check(row.pearson, pearson).follows is True and Check(row.spearman, spearman).follows is True
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
