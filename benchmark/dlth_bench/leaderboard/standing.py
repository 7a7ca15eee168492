"""Where a scorecard would stand on the board of its protocol."""

from __future__ import annotations

from pathlib import Path

from dlth_bench.leaderboard.number_text import correlation, interval
from dlth_bench.leaderboard.random_peers import is_random, random_peers, standing_among_random, told
from dlth_bench.leaderboard.ranking import Ranking, rankable, ranking
from dlth_bench.leaderboard.submissions import read_submissions
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.scorecard import Scorecard

_THIS_ONE = ""
"""How the ranking calls a scorecard that is no submission yet; no submission can have this name."""


def standing(scorecard: Scorecard, submissions_root: Path) -> str:
    """Where a scorecard would stand among the submissions of its protocol, in a few lines of plain text."""
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
