"""Ranks with ties: no order is claimed between submissions that seed noise does not separate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlth_bench.spec.scorecard import Scorecard


@dataclass(frozen=True)
class Rank:
    """The places an entry may truly have, 1-based, both ends included.

    At 95 % confidence for all entries together (Mogstad et al. 2024): ``first`` counts the entries that are
    significantly better, ``last`` those that are significantly worse.

    Attributes:
        first: best place.
        last: worst place.
        group: number of its group, 1 for the top; every entry of a group is significantly better than every entry of
            the groups below.
    """

    first: int
    last: int
    group: int = 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


@dataclass(frozen=True)
class Ranking:
    """How entries stand.

    Attributes:
        ranks: by name, in the order of a board; None for those that cannot have one, at the end.
        separated: pairs (better, worse) of names whose true correlations differ beyond seed noise.
    """

    ranks: Mapping[str, Rank | None]
    separated: frozenset[tuple[str, str]]


def rankable(scorecard: Scorecard) -> bool:
    """Whether a scorecard can have a rank: complete, and its rank correlation is defined."""
    return scorecard.complete and scorecard.spearman.value is not None


def ranked(scorecards: Mapping[str, Scorecard]) -> Mapping[str, Rank | None]:
    """The ranks of `ranking` alone."""
    return ranking(scorecards).ranks


def ranking(scorecards: Mapping[str, Scorecard]) -> Ranking:
    """Rank the entries of one protocol.

    They are ordered by Spearman's, then Pearson's correlation, then name. Which of them differ is tested on the
    differences of their Spearman correlations, all pairs at once (see `scoring.comparison`). An entry whose noise is
    unknown differs from none.
    """
    ordered = sorted(scorecards, key=lambda name: _order(name, scorecards[name]))
    names = [name for name in ordered if rankable(scorecards[name])]
    better = _separated([scorecards[name] for name in names])
    ranks: dict[str, Rank | None] = {}
    group, reach = 1, -1
    for place, name in enumerate(names):
        if place > reach >= 0:  # all above are better than all from here on
            group += 1
        reach = max([reach, place, *(below for below in range(place, len(names)) if not better[place][below])])
        above = sum(row[place] for row in better)
        ranks[name] = Rank(1 + above, len(names) - sum(better[place]), group)
    pairs = ((a, b) for i, a in enumerate(names) for j, b in enumerate(names) if better[i][j])
    return Ranking(ranks | {name: None for name in ordered if name not in ranks}, frozenset(pairs))


def _separated(scorecards: Sequence[Scorecard]) -> list[list[bool]]:
    """Row i, column j: entry i is significantly better than entry j."""
    better = [[False] * len(scorecards) for _ in scorecards]
    tables = {index: table for index, card in enumerate(scorecards) if (table := _accuracies(card, scorecards[0]))}
    if len(tables) < 2 or any(score.reference_noise is None for score in scorecards[0].configs):
        return better
    import numpy as np  # numpy and scipy are slow to import

    from dlth_bench.scoring.comparison import correlation_draws, separated
    from dlth_bench.scoring.sides import Published, padded, stack, summarise

    scores = scorecards[0].configs
    reference = Published(
        np.array([score.reference_mean for score in scores]),
        np.array([score.reference_noise for score in scores], dtype=np.float64),
        min(score.reference_seeds for score in scores),
    )
    sides = stack([summarise(padded(table), "subset") for table in tables.values()])
    found = separated(correlation_draws(sides, summarise(reference, "reference"), "spearman"))
    for row, one in zip(found, tables, strict=True):
        for clear, other in zip(row, tables, strict=True):
            better[one][other] = bool(clear)
    return better


def _accuracies(scorecard: Scorecard, first: Scorecard) -> list[tuple[float, ...]]:
    """The runs by config; empty for a stranger's unchecked scorecard that lacks some or has other configs."""
    if [score.config for score in scorecard.configs] != [score.config for score in first.configs]:
        return []
    runs = [score.accuracies for score in scorecard.configs]
    return runs if len(runs) >= 3 and all(runs) else []


def _order(name: str, scorecard: Scorecard) -> tuple[bool, float, float, str]:
    spearman, pearson = scorecard.spearman.value, scorecard.pearson.value
    return (
        not rankable(scorecard),
        -(-1.0 if spearman is None else spearman),
        -(-1.0 if pearson is None else pearson),
        name,
    )
