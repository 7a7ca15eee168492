"""Scores by another metric than accuracy: the right way up, in the right unit, in every place a reader looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_examples import SUBSET, markdown_of, results_of, submit
from rich.console import Console
from scipy import stats
from test_metric import EVENTS, FULL_EVENTS, events_protocol

from dlth_bench.board.board import Board
from dlth_bench.board.markdown import board_rows
from dlth_bench.board.site.build import site_pages
from dlth_bench.cli.shared.scorecard import show_scorecard
from dlth_bench.protocols.measurements import Measured, MeasuredValue
from dlth_bench.runs.run import Result
from dlth_bench.runs.score import read_accuracy_table, score_results
from dlth_bench.util.errors import InputError

SUBSET_EVENTS = {"alpha": (4.0, 4.2), "beta": (2.0, 2.2), "gamma": (12.0, 12.4), "delta": (19.0, 20.0)}


def event_results() -> list[Result]:
    """Finished runs that say their forgetting events."""
    protocol = events_protocol()
    found = []
    for result in results_of(protocol):
        value = SUBSET_EVENTS[result.config][protocol.seeds.index(result.seed)]
        said = MeasuredValue(**EVENTS.model_dump(), value=value)
        found.append(result.model_copy(update={"measured": (Measured(kind="forgetting", values=(said,)),)}))
    return found


def test_fewer_events_are_better() -> None:
    """The pick is the config with the fewest events, its regret is in events, and ρ is that of the values."""
    card = score_results(events_protocol(), SUBSET, event_results())
    assert card.decision is not None
    assert (card.decision.picked, card.decision.best) == ("beta", "alpha")
    assert card.decision.regret == pytest.approx(3.1 - 1.6)
    means = [[sum(values) / 2 for values in side.values()] for side in (SUBSET_EVENTS, FULL_EVENTS)]
    assert card.pearson.value == pytest.approx(stats.pearsonr(*means).statistic)
    assert card.complete


def test_a_run_that_does_not_say_the_metric_makes_no_rank() -> None:
    """An accuracy is not taken for the metric that is missing."""
    silent = [event_results()[0].model_copy(update={"measured": ()}), *event_results()[1:]]
    card = score_results(events_protocol(), SUBSET, silent)
    assert card.configs[0].problems == ("seed 0 does not say its forgetting-events",)
    assert not card.complete


def test_a_table_of_events_is_checked_as_events(tmp_path: Path) -> None:
    """12 events need no percent sign; minus one event, and percent of events, are refused."""
    path = tmp_path / "events.csv"
    path.write_text("config,accuracy\nalpha,12\nbeta,3\n")
    cells = read_accuracy_table(path, events_protocol())[""]
    assert [cell.accuracy for cell in cells["alpha"]] == [12]
    path.write_text("config,accuracy\nalpha,-1\n")
    with pytest.raises(InputError, match="forgetting-events -1, not a number of 0 or more"):
        read_accuracy_table(path, events_protocol())
    path.write_text("# percent\nconfig,accuracy\nalpha,12\n")
    with pytest.raises(InputError, match="says percent, but forgetting-events is in events"):
        read_accuracy_table(path, events_protocol())


def test_every_view_names_the_metric(tmp_path: Path) -> None:
    """Scorecard, board and site say what the numbers are, and that lower is better."""
    protocol = events_protocol()
    stored = submit(tmp_path, "mine", protocol=protocol, results=event_results())
    console = Console(record=True, width=100, file=(tmp_path / "out").open("w"))
    show_scorecard(stored.scorecard, "mine", console)
    text = console.export_text()
    assert "Ranked by forgetting events, events a sample, lower is better." in text
    assert "Regret 1.5 events" in text
    rows = board_rows([stored], protocol)
    board = markdown_of([stored], [protocol])
    assert "Full data forgetting events" in board
    assert "lower is better" in board
    assert "1.6" in board
    pages = {page: content.decode() for page, content in site_pages([Board(protocol, rows)]).items() if "html" in page}
    page = next(content for name, content in pages.items() if name.endswith("mine.html"))
    assert "Forgetting events of each config, lower is better" in page
    assert "4.1 ± 0.14" in page
    assert any("Ranked by</dt><dd>forgetting events" in content for content in pages.values())
