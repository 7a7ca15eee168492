"""The figure of accuracy trends: both files, the same bytes, and every subset in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_examples import FULL, SUBSET, card_with, material_with, results_of, tiny_protocol

from dlth_bench.board.figures import find_kind
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.errors import InputError


def _card(**accuracies: tuple[float, float]) -> Scorecard:
    protocol = tiny_protocol()
    return score_results(protocol, SUBSET, results_of(protocol, accuracies=FULL | accuracies))


def _draw(cards: dict[str, Scorecard], path: Path) -> list[Path]:
    return find_kind("trends").draw(material_with(cards), path)


def test_svg_and_png_are_written(tmp_path: Path) -> None:
    """A figure for papers and one for pages; a dot in the name stays."""
    paths = _draw({"mine": _card()}, tmp_path / "trends.v1")
    assert paths == [tmp_path / "trends.v1.svg", tmp_path / "trends.v1.png"]
    assert b"<svg" in paths[0].read_bytes()
    assert paths[1].read_bytes().startswith(b"\x89PNG")


def test_svg_is_deterministic(tmp_path: Path) -> None:
    """The same scores give the same SVG, so that a figure under version control changes only with them."""
    cards = {"mine": _card(), "other": _card(alpha=(0.3, 0.4))}
    first = _draw(cards, tmp_path / "one")[0].read_bytes()
    assert _draw(cards, tmp_path / "two")[0].read_bytes() == first
    assert b"<dc:date>" not in first
    changed = _draw({**cards, "other": _card()}, tmp_path / "three")[0]
    assert changed.read_bytes() != first


def test_labels_name_subsets_with_their_correlation(tmp_path: Path) -> None:
    """Each line is named beside its end with its ρs, and the full data's is there; dollar signs are no formulas."""
    cards = {r"mine$\x$": _card(), "a&<b>": _card(alpha=(0.1, 0.1))}
    svg = _draw(cards, tmp_path / "trends")[0].read_text()
    for text in (r"mine$\x$  ρs 1.000", "a&amp;&lt;b&gt;  ρs -.200", "full data", "Alpha net", "Delta net"):
        assert f"<!-- {text} -->" in svg


def test_hole_is_a_gap(tmp_path: Path) -> None:
    """A config without results leaves a gap and does not stop the figure."""
    card = _card()
    holes = tuple(score.model_copy(update={"mean": None, "std": None, "accuracies": ()}) for score in card.configs[:1])
    card = card.model_copy(update={"configs": holes + card.configs[1:]})
    assert all(path.exists() for path in _draw({"mine": card}, tmp_path / "trends"))


def test_many_subsets_and_none(tmp_path: Path) -> None:
    """More subsets than colours, or none, still give a figure."""
    many = {f"subset-{index}": _card() for index in range(13)}
    _draw(many, tmp_path / "many")
    _draw({}, tmp_path / "none")
    assert (tmp_path / "many.svg").stat().st_size > (tmp_path / "none.svg").stat().st_size


def test_another_protocols_score_is_refused(tmp_path: Path) -> None:
    """Scores of different grids are never drawn as one trend."""
    card = card_with(0.5).model_copy(update={"protocol_digest": "f" * 64})
    with pytest.raises(InputError, match="mine is a score under tiny@1"):
        _draw({"mine": card}, tmp_path / "trends")
    assert not list(tmp_path.iterdir())


def test_protocol_without_reference_is_refused(tmp_path: Path) -> None:
    """Without the full data there is nothing to compare a trend with."""
    protocol = tiny_protocol().model_copy(update={"reference": None})
    with pytest.raises(InputError, match="no full-data reference"):
        find_kind("trends").draw(material_with({}, protocol), tmp_path / "trends")
