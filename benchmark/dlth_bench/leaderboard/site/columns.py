"""The columns of the site's tables: what each shows, what it sorts by, and the sentence that explains it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dlth_bench.leaderboard.columns import COLUMNS, Row, flags
from dlth_bench.leaderboard.random_peers import RANDOM_POLICY
from dlth_bench.spec.scorecard import CostScore, DecisionScore

SortValue = str | float | None

_BY_KEY = {column.key: column for column in COLUMNS}


@dataclass(frozen=True)
class SiteColumn:
    """A column that a reader can sort by.

    Attributes:
        key: of the board's column that it shows; ``status`` has none.
        title: its heading.
        meaning: one sentence below the table.
        sort: what it sorts by; None goes to the end either way.
        high_first: whether the first click puts the largest on top.
        is_text: aligned to the left and sorted as text.
        minor: left out on a narrow screen; the submission's page has it.
    """

    key: str
    title: str
    meaning: str
    sort: Callable[[Row], SortValue]
    high_first: bool = False
    is_text: bool = False
    minor: bool = False

    def show(self, row: Row) -> str:
        """The cell's text, as on every other board."""
        return _BY_KEY[self.key].show(row) if self.key in _BY_KEY else ""


def _rank(row: Row) -> float | None:
    return None if row.rank is None else row.rank.first + row.rank.last / 1e6


def _decision(read: Callable[[DecisionScore], float]) -> Callable[[Row], float | None]:
    return lambda row: None if (found := row.submission.scorecard.decision) is None else read(found)


def _cost(read: Callable[[CostScore], float | None]) -> Callable[[Row], float | None]:
    return lambda row: None if (found := row.submission.scorecard.cost) is None else read(found)


SITE_COLUMNS: tuple[SiteColumn, ...] = (
    SiteColumn(
        "rank",
        "Rank",
        "the places that a submission may truly have: the differences of ρs of all pairs are tested together, at 95 % "
        "confidence for all of them. Every submission of a tie group beats every one of the groups below beyond seed "
        "noise.",
        _rank,
    ),
    SiteColumn(
        "name",
        "Submission",
        "a subset of the dataset, on which every config of the grid was trained.",
        lambda row: row.submission.metadata.name,
        is_text=True,
    ),
    SiteColumn(
        "policy",
        "Policy",
        f"how its members were selected; {RANDOM_POLICY} is random sampling.",
        lambda row: row.submission.metadata.policy.casefold(),
        is_text=True,
        minor=True,
    ),
    SiteColumn(
        "classes",
        "Classes",
        "how many classes it has, and in brackets how many samples if it is not all of theirs.",
        lambda row: row.submission.metadata.samples or row.submission.metadata.classes,
        minor=True,
    ),
    SiteColumn(
        "spearman",
        "ρs",
        "Spearman's correlation of subset and full-data accuracies over the configs. The bar is its 95 % interval over "
        "seeds, the dashed line the noise ceiling: what a repetition of the full-data grid with other seeds would "
        "reach on average.",
        lambda row: row.submission.scorecard.spearman.value,
        high_first=True,
    ),
    SiteColumn(
        "pearson",
        "ρp",
        "Pearson's correlation of the same accuracies, with its 95 % interval over seeds.",
        lambda row: row.submission.scorecard.pearson.value,
        high_first=True,
    ),
    SiteColumn(
        "regret_points",
        "Regret",
        "full-data accuracy, in points, lost by choosing the config that is best on the subset.",
        _decision(lambda found: found.regret),
    ),
    SiteColumn(
        "pairs",
        "Pairs",
        "pairs of configs ordered as on the full data, out of those whose difference exceeds the full data's seed "
        "noise.",
        _decision(lambda found: found.pairs_agreed / max(1, found.pairs_resolved)),
        high_first=True,
    ),
    SiteColumn(
        "device_seconds_saved",
        "Time saved",
        "how many times less device time its runs took than the same runs on the full data.",
        _cost(lambda found: found.device_seconds_saved),
        high_first=True,
    ),
    SiteColumn(
        "random",
        "Beats RS",
        "share of the random subsets of its size that have a lower ρs (ties count half); with fewer than 19 of them "
        "no share is significant.",
        lambda row: None if row.random is None else row.random.percentile,
        high_first=True,
    ),
    SiteColumn(
        "status",
        "Status",
        "self-reported: the score follows from the submitted results, which nobody has repeated; verified: others "
        "retrained runs drawn at random and got the same; disputed: they did not. Submissions that lack runs "
        "(incomplete) or whose runs did not fit their training data (underfit) have no rank.",
        lambda row: " ".join(dict.fromkeys([row.status, *flags(row)])),
        is_text=True,
    ),
)
"""In the order of the table."""
