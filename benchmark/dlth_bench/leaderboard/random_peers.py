"""Submissions next to the random subsets of their size on the same board, at equal and at full cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlth_bench.leaderboard.number_text import correlation
from dlth_bench.spec.reference import Cost
from dlth_bench.spec.scorecard import Scorecard
from dlth_bench.spec.submission import Submission

if TYPE_CHECKING:
    from dlth_bench.scoring.random_subsets import AmongRandom

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
    from dlth_bench.scoring.random_subsets import among_random  # numpy is slow to import

    values = [card.spearman.value for card in peers if card.spearman.value is not None]
    return None if scorecard.spearman.value is None else among_random(scorecard.spearman.value, values)


def same_cost(scorecard: Scorecard, selection: Cost | None, peers: Sequence[Scorecard]) -> SameCost | None:
    """What the cost of a subset, its selection included, buys in random subsets of its size.

    Counted in FLOPs, or in device time where the selection states no FLOPs; None where costs are not known.
    """
    own, others = scorecard.cost, [card.cost.subset for card in peers if card.cost is not None]
    if selection is None or own is None or not others:
        return None
    import numpy as np

    from dlth_bench.scoring.random_subsets import affordable, averaged_correlation

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
    return scorecard.model_dump(include={"classes", "samples"})
