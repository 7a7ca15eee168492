"""Ranks with ties, and the lines about them that end ``dlth-bench run``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from board_examples import FULL, OTHER_SUBSET, SUBSET, card_of, card_with, results_of, submit, tiny_protocol

from dlth_bench.board.rank import ranked, ranking, standing
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.scorecard import Scorecard

REVERSED = {name: FULL[other] for name, other in zip(FULL, reversed(FULL), strict=True)}
"""Accuracies that order the configs the other way round."""

NOISY = {name: (low - 0.03, high + 0.01) for name, (low, high) in FULL.items()}
"""Accuracies that order them alike, with more noise."""

NAMES = "abcdefg"


def _ranks(cards: dict[str, Scorecard]) -> dict[str, str]:
    return {name: str(rank) for name, rank in ranked(cards).items()}


def _mine(accuracies: dict[str, tuple[float, float]] = FULL) -> Scorecard:
    protocol = tiny_protocol()
    return score_results(protocol, OTHER_SUBSET, results_of(protocol, OTHER_SUBSET, accuracies))


def test_no_order_within_seed_noise() -> None:
    """Subsets that differ by seed noise share their places; one that misranks beyond it stands below all of them."""
    cards = {"a": card_of(FULL), "b": card_of(NOISY), "c": card_of(REVERSED)}
    assert _ranks(cards) == {"a": "1–2", "b": "1–2", "c": "3"}
    assert [rank.group for rank in ranked(cards).values() if rank] == [1, 1, 2]
    assert ranking(cards).separated == {("a", "c"), ("b", "c")}


def test_a_chain_of_ties_makes_no_equals() -> None:
    """Of three in a row, the last may be worse than the first though both tie with the one between: one group."""
    full = {name: (0.8 - 0.1 * place, 0.81 - 0.1 * place) for place, name in enumerate(NAMES)}
    clear = full
    one_run = (0.9, 0.5, 0.8, 0.6, 0.3, 0.4, 0.1)
    vague = {name: (one_run[place], 0.8 - 0.1 * place) for place, name in enumerate(NAMES)}
    swapped = dict(zip(NAMES, [full[name] for name in ("b", "a", "d", "c", "f", "e", "g")], strict=True))
    cards = {"clear": card_of(clear, full), "vague": card_of(vague, full), "swapped": card_of(swapped, full)}
    found = ranking(cards)
    assert found.separated == {("clear", "swapped")}
    assert {name: str(rank) for name, rank in found.ranks.items()} == {
        "clear": "1–2",
        "vague": "1–3",
        "swapped": "2–3",
    }
    assert {rank.group for rank in found.ranks.values() if rank} == {1}


def test_subsets_of_equal_quality_are_rarely_told_apart() -> None:
    """However many subsets are compared, luck alone makes no winner more often than one time in twenty."""
    rng = np.random.default_rng(5)
    full = {name: tuple(0.2 + 0.1 * place + 0.01 * rng.standard_normal(3)) for place, name in enumerate(NAMES)}
    protocol = tiny_protocol(full).model_copy(update={"seeds": (0, 1, 2)})

    def drawn() -> Scorecard:
        accuracies = {
            name: tuple(0.2 + 0.1 * place + 0.05 * rng.standard_normal(3)) for place, name in enumerate(NAMES)
        }
        return score_results(protocol, SUBSET, results_of(protocol, accuracies=accuracies))

    boards = [{f"{index}": drawn() for index in range(8)} for _ in range(20)]
    assert sum(bool(ranking(board).separated) for board in boards) <= 3


def test_order_is_by_spearman_then_pearson_then_name() -> None:
    """The order within a group is fixed, so that the board does not jump between runs."""
    cards = {
        "z": card_with(0.9, pearson=0.5),
        "y": card_with(0.9, pearson=0.5),
        "x": card_with(0.9, pearson=0.7),
        "w": card_with(0.95),
    }
    assert list(ranked(cards)) == ["w", "x", "y", "z"]


def test_unknown_noise_ties_with_everyone() -> None:
    """Where nothing is known of the noise, no order is claimed, however far apart the values are."""
    assert _ranks({"a": card_with(0.9), "b": card_with(0.8), "c": card_with(0.1)}) == dict.fromkeys("abc", "1–3")


@pytest.mark.parametrize("card", [card_with(1.0, complete=False), card_with(None)], ids=["incomplete", "undefined"])
def test_what_cannot_be_compared_has_no_rank(card: Scorecard) -> None:
    """An incomplete or undefined score takes nobody's place, however good it looks."""
    assert _ranks({"odd": card, "a": card_with(0.1)}) == {"a": "1", "odd": "None"}


def test_standing_without_submissions(tmp_path: Path) -> None:
    """The first user is told that there is nothing to compare with, not that they won."""
    assert standing(_mine(), tmp_path / "none").startswith("No other complete submission of tiny@1")


def test_standing_of_an_incomplete_scorecard(tmp_path: Path) -> None:
    """A scorecard with holes is given no rank."""
    submit(tmp_path, "theirs")
    assert standing(card_with(1.0, complete=False), tmp_path).startswith("No standing: the scorecard is incomplete")


def test_standing_tied_with_the_best(tmp_path: Path) -> None:
    """Two subsets that seed noise does not tell apart are called tied."""
    submit(tmp_path, "theirs")
    first, second, third = standing(_mine(), tmp_path).splitlines()
    assert first.startswith("Would rank 1–2 of 2")
    assert second.startswith("Tied with theirs (ρs 1.000 [")
    assert third == (
        "Among 1 random subsets of this size: better than 50 % (p 1.000). "
        "Needs 18 more random subsets before p can fall to .05."
    )


def test_standing_below_the_best(tmp_path: Path) -> None:
    """A subset that misranks stands behind, and the best is named."""
    submit(tmp_path, "theirs")
    text = standing(_mine(REVERSED), tmp_path)
    assert text.startswith("Would rank 2 of 2")
    assert "The best is theirs" in text


def test_standing_above_the_best(tmp_path: Path) -> None:
    """A clear winner is told how far ahead it is."""
    protocol = tiny_protocol()
    submit(tmp_path, "theirs", results=results_of(protocol, accuracies=REVERSED))
    text = standing(_mine(), tmp_path)
    assert text.startswith("Would rank 1 of 2")
    assert "The best submission so far is theirs (ρs -1.000" in text


def test_standing_ignores_itself_and_other_protocols(tmp_path: Path) -> None:
    """One's own submission of the same subset, and other grids, are no competitors."""
    submit(tmp_path, "mine", subset=OTHER_SUBSET)
    submit(tmp_path, "old", protocol=tiny_protocol({**FULL, "alpha": (0.7, 0.71)}))
    assert standing(_mine(), tmp_path).startswith("No other complete submission")


def test_standing_survives_a_broken_submission(tmp_path: Path) -> None:
    """After hours of training, a stranger's broken folder costs the standing, not the command."""
    (submit(tmp_path, "theirs").folder / "scorecard.json").write_text("{")
    text = standing(_mine(), tmp_path)
    assert text.startswith("No standing, since a submission is not valid: ")
    assert "scorecard.json" in text
