"""Any table of accuracies gives a scorecard of known and unknown numbers, or one clear refusal: never a crash."""

from __future__ import annotations

import json
import math

import pytest
from board_examples import tiny_protocol
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlth_bench.board.rank import ranked
from dlth_bench.scoring.score import Cell, NotScorable, Outcomes, make_scorecard, make_scorecards

CONFIGS = ("alpha", "beta", "gamma", "delta")
ACCURACIES = st.one_of(
    st.none(), st.sampled_from([0.0, 0.5, 1.0, math.nan, math.inf, -1.0, 1e-300]), st.floats(0, 1, width=16)
)
TABLES = st.fixed_dictionaries({name: st.lists(ACCURACIES, max_size=3) for name in CONFIGS})


def cells_of(table: dict[str, list[float | None]]) -> dict[str, list[Cell]]:
    return {name: [Cell(seed, value) for seed, value in enumerate(row)] for name, row in table.items()}


def rounded(value: object) -> object:
    """Nested values with their floats rounded: sums of many rows and of one differ in the last bits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(rounded(item) for item in value)
    return round(value, 8) if isinstance(value, float) else value


@settings(max_examples=150, deadline=None, derandomize=True)
@example(table={"alpha": [], "beta": [0.0], "gamma": [1e-300], "delta": [0.0, 0.0]})
@given(table=TABLES)
def test_every_table_is_scored_or_refused(table: dict[str, list[float | None]]) -> None:
    """Holes, nan, infinities, ties and constants: JSON without NaN, and a problem or note for all that is wrong."""
    try:
        card = make_scorecard(tiny_protocol(), cells_of(table))
    except NotScorable:
        usable = [row for row in table.values() if any(value is not None and 0 <= value <= 1 for value in row)]
        assert len(usable) < 3
        return
    json.loads(card.model_dump_json(), parse_constant=lambda name: 1 / 0)
    for score in card.configs:
        bad = [value for value in table[score.config] if value is not None and not 0 <= value <= 1]
        assert len([problem for problem in score.problems if "not a number from 0 to 1" in problem]) == len(bad)
    if max(len(score.accuracies) for score in card.configs) < 2:
        assert (card.spearman.low, card.spearman.reaches_ceiling, card.pearson.disattenuated) == (None, None, None)
        assert any("seed noise is unknown" in note for note in card.notes)
    means = [score.mean for score in card.configs if score.mean is not None]
    if len(set(means)) == 1:
        assert card.spearman.value is None
        assert any("no correlation is defined" in note for note in card.notes)
    ranked({"one": card, "other": card})


def test_ties_for_the_first_place_are_noted() -> None:
    """A pick that is a toss-up is called one, and the regret is its mean."""
    table = cells_of({"alpha": [0.5, 0.5], "beta": [0.9, 0.9], "gamma": [0.9, 0.9], "delta": [0.1, 0.1]})
    card = make_scorecard(tiny_protocol(), table)
    assert (
        "beta, gamma tie for the subset's first place: its pick is a toss-up, and the regret is their mean"
        in card.notes
    )
    assert card.decision is not None
    assert card.decision.regret == pytest.approx(0.805 - (0.605 + 0.41) / 2)
    assert card.decision.top1_hit == 0


def test_many_at_once_are_scored_as_one_by_one() -> None:
    """A subset's score does not depend on what is scored with it, whatever holes the others have."""
    tables = [
        {"alpha": [0.8, 0.7], "beta": [0.5, 0.6], "gamma": [0.4, 0.3], "delta": [0.1, 0.3]},
        {"alpha": [0.8, 0.7], "beta": [0.5, 0.6], "gamma": [0.4, 0.3]},
        {"alpha": [0.8], "beta": [0.5], "gamma": [0.7], "delta": [0.1]},
        {"alpha": [0.2, 0.1], "beta": [0.5, 0.6], "gamma": [0.4], "delta": [0.9, 0.3]},
    ]
    outcomes = [Outcomes(cells_of(table), f"{index}", 3) for index, table in enumerate(tables)]
    together = make_scorecards(tiny_protocol(), outcomes)
    alone = [make_scorecard(tiny_protocol(), one.cells, subset_digest=one.subset_digest, classes=3) for one in outcomes]
    assert [rounded(card.model_dump()) for card in together] == [rounded(card.model_dump()) for card in alone]
