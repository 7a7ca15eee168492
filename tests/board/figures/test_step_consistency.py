"""The figure of single changes of the recipe: what goes against the full data is seen at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_examples import FULL, SUBSET, material_with, results_of, tiny_protocol

from dlth_bench.board.figures.consistency import step_consistency
from dlth_bench.board.figures.drawing import write
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.decisions import Step
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.errors import InputError

STEP = Step("budget", "alpha", "beta")


def _card(**accuracies: tuple[float, float]) -> Scorecard:
    protocol = tiny_protocol()
    return score_results(protocol, SUBSET, results_of(protocol, accuracies=FULL | accuracies))


def _texts(folder: Path, **cards: Scorecard) -> str:
    return write(lambda: step_consistency(material_with(cards), [STEP]), folder / "steps")[0].read_text()


def test_step_against_the_full_data_is_crossed(tmp_path: Path) -> None:
    """The full data lose 20 points; a subset that loses, too, is plain, one that gains carries a cross."""
    svg = _texts(tmp_path, same=_card(), other=_card(alpha=(0.2, 0.2), beta=(0.3, 0.3)))
    assert "<!-- −20.0 -->" in svg
    assert "<!-- −20.0 ✗ -->" not in svg
    assert "<!-- +10.0 ✗ -->" in svg


def test_missing_config_is_unknown(tmp_path: Path) -> None:
    """A step of which one end is missing has no size and goes in no direction."""
    card = _card()
    hole = card.configs[0].model_copy(update={"mean": None, "std": None, "accuracies": ()})
    svg = _texts(tmp_path, holed=card.model_copy(update={"configs": (hole, *card.configs[1:])}))
    assert "<!-- unknown -->" in svg
    assert "✗ -->" not in svg.replace("(✗", "")


def test_grid_without_single_steps_is_refused() -> None:
    """A grid in which no two configs differ in one thing has no such figure."""
    with pytest.raises(InputError, match="no two configs that differ in one thing"):
        step_consistency(material_with({"mine": _card()}), [])
