"""Ranks with ties: no order is claimed between submissions that seed noise does not separate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlth_bench.spec.scorecard import CorrelationScore, Scorecard


@dataclass(frozen=True)
class Rank:
    """The places that a group of tied entries takes, 1-based, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


def rankable(scorecard: Scorecard) -> bool:
    """Whether a scorecard can have a rank: complete, and its rank correlation is defined."""
    return scorecard.complete and scorecard.spearman.value is not None


def ranked(scorecards: Mapping[str, Scorecard]) -> dict[str, Rank | None]:
    """The rank of every entry by its name, in the order of a board; None for those that cannot have one, at the end.

    Entries are ordered by Spearman's, then Pearson's correlation, then name. Going down, an entry shares the rank of
    the group above it unless its 95 % interval for Spearman's correlation lies wholly below that of the group's first.
    """
    ordered = sorted(scorecards, key=lambda name: _order(name, scorecards[name]))
    groups: list[list[str]] = []
    for name in ordered:
        if not rankable(scorecards[name]):
            continue
        if groups and overlap(scorecards[groups[-1][0]].spearman, scorecards[name].spearman):
            groups[-1].append(name)
        else:
            groups.append([name])
    ranks: dict[str, Rank | None] = {}
    for group in groups:
        rank = Rank(len(ranks) + 1, len(ranks) + len(group))
        ranks |= dict.fromkeys(group, rank)
    return ranks | {name: None for name in ordered if name not in ranks}


def overlap(one: CorrelationScore, other: CorrelationScore) -> bool:
    """Whether the 95 % intervals have a point in common; a correlation without one counts as a point."""
    low, high = _ends(one)
    other_low, other_high = _ends(other)
    return low <= other_high and other_low <= high


def _ends(score: CorrelationScore) -> tuple[float, float]:
    value = -1.0 if score.value is None else score.value
    return (value if score.low is None else score.low, value if score.high is None else score.high)


def _order(name: str, scorecard: Scorecard) -> tuple[bool, float, float, str]:
    spearman, pearson = scorecard.spearman.value, scorecard.pearson.value
    return (
        not rankable(scorecard),
        -(-1.0 if spearman is None else spearman),
        -(-1.0 if pearson is None else pearson),
        name,
    )
