"""Ranks with ties, the random subsets beside a submission, and where a new scorecard would stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlth_bench.board.check import check_content
from dlth_bench.board.submission import Cell, Submission, has_cells
from dlth_bench.board.submission_folder import StoredSubmission, read_submissions, write_scorecard
from dlth_bench.protocols.protocol import Cost, Protocol
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.comparison import (
    AmongRandom,
    affordable,
    among_random,
    averaged_correlation,
    correlation_draws,
    separated,
)
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.scoring.sides import Published, padded, stack, summarise
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import correlation, interval, printable


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


def ranked_by_cell(entries: Sequence[tuple[Submission, Scorecard]], protocol: Protocol) -> dict[str, Rank | None]:
    """The ranks of `ranked`, among all entries of a protocol or, if its board has cells, within each of these."""
    cells: dict[Cell | None, dict[str, Scorecard]] = {}
    for metadata, scorecard in entries:
        cells.setdefault(metadata.cell if has_cells(protocol) else None, {})[metadata.name] = scorecard
    order: list[Cell | None] = [*sorted(cell for cell in cells if cell is not None)] or [None]
    return {name: rank for cell in order for name, rank in ranked(cells.get(cell, {})).items()}


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


RANDOM_POLICY = "rs"


@dataclass(frozen=True)
class SameCost:
    """What training on random subsets gives for what selecting a subset and training on it cost.

    Attributes:
        subsets: random subsets that could be trained on.
        spearman: ρs to expect from their averaged accuracies; None if fewer are on the board.
        missing: random subsets that the board lacks for that.
    """

    subsets: int
    spearman: float | None
    missing: int


def is_random(policy: str) -> bool:
    """Whether a policy is plain random sampling."""
    return policy.casefold() == RANDOM_POLICY


def selection_cost(metadata: Submission) -> Cost | None:
    """What choosing the subset took: as stated; nothing for random sampling; None: not stated."""
    if metadata.selection_cost is None and is_random(metadata.policy):
        return Cost(images=0, flops=0.0, device_seconds=0.0)
    return metadata.selection_cost


def random_peers(scorecard: Scorecard, random_cards: Iterable[Scorecard]) -> list[Scorecard]:
    """The complete random subsets of a subset's size and unit, itself left out."""
    return [
        card
        for card in random_cards
        if card.complete
        and card.spearman.value is not None
        and card.protocol_digest == scorecard.protocol_digest
        and card.subset_digest != scorecard.subset_digest
        and _size(card) == _size(scorecard)
    ]


def standing_among_random(scorecard: Scorecard, peers: Sequence[Scorecard]) -> AmongRandom | None:
    """Where the subset's ρs stands among those of random subsets; None without any, or without a ρs."""
    values = [card.spearman.value for card in peers if card.spearman.value is not None]
    return None if scorecard.spearman.value is None else among_random(scorecard.spearman.value, values)


def same_cost(scorecard: Scorecard, selection: Cost | None, peers: Sequence[Scorecard]) -> SameCost | None:
    """What the cost of a subset, its selection included, buys in random subsets of its size.

    Counted in FLOPs, or in device time where the selection states no FLOPs; None where costs are not known.
    """
    own, others = scorecard.cost, [card.cost.subset for card in peers if card.cost is not None]
    if selection is None or own is None or not others:
        return None
    in_flops = selection.flops > 0 or selection.device_seconds == 0
    spent, trained = (cost.flops if in_flops else cost.device_seconds for cost in (selection, own.subset))
    mean = sum(cost.flops if in_flops else cost.device_seconds for cost in others) / len(others)
    # A subset costs what a random one of its size does, but for rounding and the noise of clocks.
    subsets = max(1, affordable(spent, trained if in_flops else mean, mean))
    names = [score.config for score in scorecard.configs]
    tables = [[score.mean for score in card.configs] for card in peers if [s.config for s in card.configs] == names]
    means = np.array(tables, dtype=np.float64)
    full = np.array([score.reference_mean for score in scorecard.configs])
    return SameCost(subsets, averaged_correlation(means, full, subsets), max(0, subsets - len(tables)))


def told(found: AmongRandom | None) -> str:
    """One sentence for a terminal."""
    if found is None:
        return "No random subset of this size to compare with: submit some (policy rs)."
    effect = "" if found.effect is None else f", {found.effect:+.1f} standard deviations from their mean"
    text = (
        f"Among {found.count} random subsets of this size: better than {found.percentile:.0f} %{effect} "
        f"(p {correlation(found.p_value)})."
    )
    return text if not found.more else f"{text} Needs {found.more} more random subsets before p can fall to .05."


def _size(scorecard: Scorecard) -> dict[str, object]:
    return scorecard.model_dump(include={"classes", "samples", "exponent"})


_THIS_ONE = ""
"""How the ranking calls a scorecard that is no submission yet; no submission can have this name."""


def standing(scorecard: Scorecard, submissions_root: Path, *, same_size: bool = False) -> str:
    """Where a scorecard would stand among the submissions of its protocol, in a few lines of plain text.

    Args:
        same_size: only those of its size and length of training are rivals.
    """
    if not rankable(scorecard):
        return "No standing: the scorecard is incomplete, and only complete ones are ranked."
    try:
        found = read_submissions(submissions_root, scorecard.protocol.partition("@")[0])
    except InputError as error:  # a stranger's broken folder must not cost the user the end of a long command
        return f"No standing, since a submission is not valid: {printable(error.located, 400)}"
    competing = [
        stored
        for stored in found
        if stored.metadata.protocol_digest == scorecard.protocol_digest
        and stored.metadata.subset_digest != scorecard.subset_digest
        and rankable(stored.scorecard)
        and stored.status != "disputed"
        and (not same_size or _size(stored.scorecard) == _size(scorecard))
    ]
    others = {stored.metadata.name: stored.scorecard for stored in competing}
    if not others:
        return f"No other complete submission of {scorecard.protocol} in {submissions_root} to compare with."
    text = _standing_text(scorecard, others, ranking(others | {_THIS_ONE: scorecard}))
    random_cards = [stored.scorecard for stored in competing if is_random(stored.metadata.policy)]
    peers = random_peers(scorecard, random_cards)
    return f"{text}\n{told(standing_among_random(scorecard, peers))}"


def _standing_text(scorecard: Scorecard, others: dict[str, Scorecard], found: Ranking) -> str:
    ranks = found.ranks
    text = (
        f"Would rank {ranks[_THIS_ONE]} of {len(ranks)} by ρs (the submissions of {scorecard.protocol} and this one)."
    )
    best = next(name for name in ranks if name != _THIS_ONE)
    score = others[best].spearman
    told = f"{best} (ρs {correlation(score.value)} {interval(score.low, score.high)})"
    if (_THIS_ONE, best) in found.separated:
        return f"{text}\nThe best submission so far is {told}; this one is better beyond seed noise."
    if (best, _THIS_ONE) in found.separated:
        return f"{text}\nThe best is {told}; it is better beyond seed noise."
    return f"{text}\nTied with {told}: seed noise does not tell them apart."


@dataclass(frozen=True)
class Rescored:
    """A submission with its scorecards of before and now.

    Attributes:
        rank_before: the rank that today's rule gives the scorecards as they were.
        rank: the rank now.
    """

    submission: StoredSubmission
    scorecard: Scorecard
    rank_before: Rank | None
    rank: Rank | None

    @property
    def told(self) -> str:
        """One line that says what changed in value, interval and rank of ρs."""
        name = f"{self.submission.metadata.protocol} {self.submission.metadata.name}"
        before, after = _shown(self.submission.scorecard, self.rank_before), _shown(self.scorecard, self.rank)
        return f"{name}: unchanged, {after}" if before == after else f"{name}: {before} -> {after}"


def rescore(submissions: Sequence[StoredSubmission], protocols: Mapping[str, Protocol]) -> list[Rescored]:
    """Score submissions from their results and write the scorecards that changed.

    Args:
        submissions: of any protocols.
        protocols: by key; one for each submission.

    Raises:
        InputError: a submission is not what its protocol asks for; no file has been written then.
    """
    for stored in submissions:
        check_content(stored, protocols[stored.metadata.protocol])
    fresh = [
        score_results(
            protocols[stored.metadata.protocol], stored.subset, list(stored.results), stored.metadata.exponent
        )
        for stored in submissions
    ]
    found = []
    for key in dict.fromkeys(stored.metadata.protocol for stored in submissions):
        own = [(s, card) for s, card in zip(submissions, fresh, strict=True) if s.metadata.protocol == key]
        before = ranked_by_cell([(stored.metadata, stored.scorecard) for stored, _ in own], protocols[key])
        now = ranked_by_cell([(stored.metadata, card) for stored, card in own], protocols[key])
        found += [Rescored(s, card, before[s.metadata.name], now[s.metadata.name]) for s, card in own]
    for one in found:
        if one.scorecard != one.submission.scorecard:
            write_scorecard(one.submission.folder, one.scorecard)
    return found


def _shown(scorecard: Scorecard, rank: Rank | None) -> str:
    score = scorecard.spearman
    place = "no rank" if rank is None else f"rank {rank}"
    return f"ρs {correlation(score.value)} {interval(score.low, score.high)}, {place}"
