"""The scorecard on a terminal: every number, within 80 columns, and strangers' text as it is."""

from __future__ import annotations

import io

import pytest
from board_examples import FULL, SUBSET, card_with, results_of, tiny_protocol
from rich.console import Console

from dlth_bench.cli.shared.scorecard import show_scorecard
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.text import factor, probability


def _shown(scorecard: Scorecard, name: str = "mine") -> str:
    stream = io.StringIO()
    show_scorecard(scorecard, name, Console(file=stream, width=80, force_terminal=False))
    assert max(map(len, stream.getvalue().splitlines())) <= 80
    return stream.getvalue()


def _line(output: str, start: str) -> str:
    return next(line for line in output.splitlines() if line.strip().startswith(start))


def test_every_number_is_shown() -> None:
    """Accuracies of both sides, correlations, the decision and the cost can be read off."""
    protocol = tiny_protocol()
    results = results_of(protocol, accuracies={**FULL, "beta": (0.90, 0.92)})
    output = _shown(score_results(protocol, SUBSET, results))
    assert output.startswith("mine, 3 classes, under tiny@1")
    assert _line(output, "Beta net").split() == ["Beta", "net", "91.0", "±", "1.4", "60.5", "±", "0.7"]
    assert _line(output, "Spearman").split()[:3] == ["Spearman", "ρs", ".800"]
    assert _line(output, "Kendall").split()[:3] == ["Kendall", "τ-b", ".667"]
    flat = " ".join(output.split())
    assert "Regret 20.0 points" in flat
    assert "puts first, Beta net, in place of the best, Alpha net; that is the subset's second." in flat
    assert "Orders 5 of 6 pairs" in flat
    assert "Leaving one config out, ρs runs from .500 (without Gamma net) to 1.000 (without Alpha net)." in flat
    assert "images 90.0 % (10.0×), FLOPs 90.0 % (10.0×), device time 90.0 % (10.0×)" in flat
    assert "Incomplete" not in flat


def test_holes_are_named() -> None:
    """Missing runs stand beside their config, and the reader is told that there is no rank."""
    protocol = tiny_protocol()
    output = _shown(score_results(protocol, SUBSET, results_of(protocol)[1:]))
    assert "seed 0 is missing" in _line(output, "Alpha net")
    assert "Incomplete" in output


def test_unknown_numbers_are_dashes() -> None:
    """A correlation that is undefined is shown as unknown, not as zero."""
    assert _line(_shown(card_with(None)), "Spearman").split()[2:] == ["–"] * 6


def test_strangers_text_is_not_markup() -> None:
    """Notes and names from a file neither colour the terminal nor move its cursor."""
    card = card_with(0.5).model_copy(update={"notes": ("[bold]x[/nope]\x1b[2J",)})
    output = _shown(card, "my\x1b[31m[red]")
    assert "[bold]x[/nope]" in output
    assert "[red]" in output
    assert "\x1b" not in output


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.0002, "<.001"), (0.0441, ".044"), (1.0, "1.000")])
def test_probability(value: float | None, text: str) -> None:
    """A tiny p-value is bounded, never shown as zero."""
    assert probability(value) == text


@pytest.mark.parametrize(("saved", "text"), [(None, "–"), (0.9, "10.0×"), (0.0, "1.0×"), (-1.0, "0.5×"), (1.0, "–")])
def test_factor(saved: float | None, text: str) -> None:
    """A saved fraction as how many times less; nothing spent has no factor."""
    assert factor(saved) == text
