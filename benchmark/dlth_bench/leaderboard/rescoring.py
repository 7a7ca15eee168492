"""Scoring submissions anew from their results, after the scorer has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlth_bench.leaderboard.number_text import correlation, interval
from dlth_bench.leaderboard.ranking import Rank, ranked
from dlth_bench.leaderboard.submissions import StoredSubmission, write_scorecard
from dlth_bench.leaderboard.validation import check_content
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.scorecard import Scorecard


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
    from dlth_bench.harness.scored import score_results  # numpy and scipy: slow to import

    for stored in submissions:
        check_content(stored, protocols[stored.metadata.protocol])
    fresh = [
        score_results(protocols[stored.metadata.protocol], stored.subset, list(stored.results))
        for stored in submissions
    ]
    found = []
    for key in dict.fromkeys(stored.metadata.protocol for stored in submissions):
        own = [(s, card) for s, card in zip(submissions, fresh, strict=True) if s.metadata.protocol == key]
        before = ranked({stored.metadata.name: stored.scorecard for stored, _ in own})
        now = ranked({stored.metadata.name: card for stored, card in own})
        found += [Rescored(s, card, before[s.metadata.name], now[s.metadata.name]) for s, card in own]
    for one in found:
        if one.scorecard != one.submission.scorecard:
            write_scorecard(one.submission.folder, one.scorecard)
    return found


def _shown(scorecard: Scorecard, rank: Rank | None) -> str:
    score = scorecard.spearman
    place = "no rank" if rank is None else f"rank {rank}"
    return f"ρs {correlation(score.value)} {interval(score.low, score.high)}, {place}"
