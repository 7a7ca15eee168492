"""The cells of a board: one for each size of a subset and length of training, and what the cells show together.

Under a protocol that admits several sizes or lengths, a subset competes with those of its cell alone: the others cost
more or less. How cells compare is the frontier: what the random subsets of each reach, and what that costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit

from dlth_bench.board.row import Row
from dlth_bench.board.submission import Cell
from dlth_bench.util.text import correlation, interval


def rows_by_cell(rows: Iterable[Row]) -> dict[Cell, list[Row]]:
    """The rows of each cell, in their order, classes before samples and small before large."""
    found: dict[Cell, list[Row]] = {}
    for row in rows:
        found.setdefault(row.metadata.cell, []).append(row)
    return {cell: found[cell] for cell in sorted(found)}


def all_tied(rows: Sequence[Row]) -> bool:
    """Whether all rows of a cell, two or more, have a rank and none beats another one beyond seed noise."""
    ranks = [row.rank for row in rows if row.rank is not None]
    return len(rows) == len(ranks) > 1 and all((rank.first, rank.last) == (1, len(ranks)) for rank in ranks)


@dataclass(frozen=True)
class CellScore:
    """What random subsets reach in a cell: how far a user can trust any subset of that cost.

    Attributes:
        cost: their operations, as a share of the full data's; None where a cost is not known.
        count: random subsets with a rank.
        spearman: the mean of their ρs.
        low: lower end of the 95 % interval of that mean (Student's t over subsets); None with one subset.
        high: its upper end.
        worst: the lowest ρs of one of them.
        ceiling: noise ceiling of ρs; None where it is not known.
        regret: mean regret, as a fraction; None where there is no choice to regret.
    """

    cell: Cell
    cost: float | None
    count: int
    spearman: float
    low: float | None
    high: float | None
    worst: float
    ceiling: float | None
    regret: float | None


def frontier(rows: Sequence[Row]) -> list[CellScore]:
    """The cells that have random subsets, the cheapest first."""
    found = [score for cell, some in rows_by_cell(rows).items() if (score := _cell_score(cell, some)) is not None]
    return sorted(found, key=lambda score: (math.inf if score.cost is None else score.cost, score.cell))


def _cell_score(cell: Cell, rows: Sequence[Row]) -> CellScore | None:
    cards = [row.submission.scorecard for row in rows if row.rank and row.is_random]
    values = [card.spearman.value for card in cards if card.spearman.value is not None]
    if not values:
        return None
    mean, count = fmean(values), len(values)
    half = float(stdtrit(count - 1, 0.975)) * stdev(values) / math.sqrt(count) if count > 1 else None
    saved = [card.cost.flops_saved for card in cards if card.cost is not None and card.cost.flops_saved is not None]
    regrets = [card.decision.regret for card in cards if card.decision is not None]
    return CellScore(
        cell=cell,
        cost=1 - fmean(saved) if saved else None,
        count=count,
        spearman=mean,
        low=None if half is None else mean - half,
        high=None if half is None else min(1.0, mean + half),
        worst=min(values),
        ceiling=cards[0].spearman.ceiling,
        regret=fmean(regrets) if regrets else None,
    )


TRUSTED = 0.9
"""A mean ρs whose interval lies above this is called safe."""


def cheapest_safe(scores: Sequence[CellScore]) -> CellScore | None:
    """The cheapest cell whose random subsets have a mean ρs that is above `TRUSTED` at 95 % confidence."""
    return next((score for score in scores if score.low is not None and score.low > TRUSTED), None)


def verdict(scores: Sequence[CellScore]) -> str:
    """One sentence: the cheapest cell that can be trusted."""
    safe = cheapest_safe(scores)
    if safe is None:
        return f"No cell's random subsets have a mean ρs above {correlation(TRUSTED)} at 95 % confidence."
    cost = "" if safe.cost is None else f", at {100 * safe.cost:.3g} % of the full data's cost"
    mean = f"{correlation(safe.spearman)} {interval(safe.low, safe.high)}"
    return (
        f"The cheapest that is safe: {safe.cell.title}{cost}. Random subsets have a mean ρs of {mean} there, "
        f"above {correlation(TRUSTED)} at 95 % confidence."
    )
