"""``dlth-bench leaderboard`` and ``plot``: from a folder of submissions to files, or a line that says what is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from board_commands import refused, run, write_protocol
from board_examples import FULL, OTHER_SUBSET, results_of, submit, tiny_protocol

import dlth_bench
from dlth_bench.protocols import protocol_file


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two submissions of a tiny protocol that comes with the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: tmp_path / kind)
    write_protocol(tmp_path / "protocols")
    submit(tmp_path / "submissions", "good")
    worse = {**FULL, "alpha": (0.1, 0.11)}
    submit(
        tmp_path / "submissions",
        "worse",
        subset=OTHER_SUBSET,
        results=results_of(tiny_protocol(), OTHER_SUBSET, worse),
    )
    return tmp_path


def test_board_is_written_and_shown(place: Path) -> None:
    """One command checks the submissions, writes the file and shows the table within 80 columns."""
    output = run("leaderboard").output
    assert "2 submissions valid; wrote leaderboard.md" in output
    assert max(map(len, output.splitlines())) <= 80
    assert "good" in output
    board = (place / "leaderboard.md").read_text()
    assert board.index("good") < board.index("worse")
    run("leaderboard", "--output", "again.md")
    assert (place / "again.md").read_text() == board


def test_rescore_mends_old_scorecards(place: Path) -> None:
    """Scorecards of an older scorer are replaced, what changed is told beside the board, and JSON stays JSON."""
    path = place / "submissions" / "tiny" / "good" / "scorecard.json"
    fresh = path.read_bytes()
    path.write_text(json.dumps(json.loads(fresh) | {"steps": [], "subset_reliability": 0.1}))
    assert "score it again" in refused("leaderboard")
    result = run("leaderboard", "--rescore", "--json")
    assert path.read_bytes() == fresh
    assert "tiny@1 worse: unchanged, ρs -.200" in result.stderr
    assert json.loads(result.stdout)[0]["name"] == "good"


def test_json_has_the_numbers(place: Path) -> None:
    """Programs get unrounded values, one object a submission, and nothing else on stdout."""
    rows = json.loads(run("leaderboard", "--json").stdout)
    assert [(row["protocol"], row["name"], row["rank"]) for row in rows] == [
        ("tiny@1", "good", [1, 1]),
        ("tiny@1", "worse", [2, 2]),
    ]
    assert rows[0]["spearman"]["value"] == pytest.approx(1.0)
    assert rows[0]["images_saved"] == pytest.approx(0.9)


def test_invalid_submission_leaves_the_board_as_it_was(place: Path) -> None:
    """An edited score is named and changes nothing."""
    run("leaderboard")
    board = (place / "leaderboard.md").read_bytes()
    path = place / "submissions" / "tiny" / "worse" / "scorecard.json"
    document = json.loads(path.read_text())
    document["spearman"]["value"] = 1.0
    path.write_text(json.dumps(document))
    assert "worse/scorecard.json: spearman.value" in refused("leaderboard")
    assert (place / "leaderboard.md").read_bytes() == board


def test_unknown_protocol_is_named(place: Path) -> None:
    """A submission to a grid that nobody else has is not on the board."""
    submit(place / "submissions", "mine", protocol=tiny_protocol(name="private"))
    assert "no protocol 'private@1'" in refused("leaderboard")


def test_missing_folder_is_an_error(place: Path) -> None:
    """A mistyped folder does not write an empty board."""
    assert refused("leaderboard", "--submissions", "nope").startswith("nope: no such folder")
    assert not (place / "leaderboard.md").exists()


def test_plot_draws_the_named_submissions(place: Path) -> None:
    """The figure holds the chosen submissions and no others; a suffix given by habit is not doubled."""
    output = run("plot", "--protocol", "tiny", "--names", "worse", "--output", "figure.svg").output
    assert output.splitlines() == ["wrote figure.svg", "wrote figure.png"]
    svg = (place / "figure.svg").read_text()
    assert "<!-- worse" in svg
    assert "<!-- good" not in svg


def test_plot_draws_all_by_default(place: Path) -> None:
    """Without names every submission is drawn, the best first."""
    run("plot", "--protocol", "tiny")
    svg = (place / "trends.svg").read_text()
    assert svg.index("<!-- good") < svg.index("<!-- worse")


def test_plot_of_an_unknown_name(place: Path) -> None:
    """A mistyped name is an error that lists the names."""
    assert "no submission 'god' of tiny@1; there are good, worse" in refused("plot", "-p", "tiny", "--names", "god")


def test_plot_of_another_kind(place: Path) -> None:
    """The kind is the first word; its files have its name, and no number of submissions is too large for a forest."""
    assert run("plot", "forest", "-p", "tiny").output.splitlines() == ["wrote forest.svg", "wrote forest.png"]
    svg = (place / "forest.svg").read_text()
    assert "<!-- good  1 -->" in svg
    assert "<!-- worse  2 -->" in svg


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["forrest"], "no kind of figure 'forrest'; there are trends, .*; did you mean 'forest'?"),
        (["forest", "--configs", "alpha"], "--configs: the figure forest does not take it"),
        (["trends", "--cost", "images"], "--cost: the figure trends does not take it"),
        (["pareto", "--cost", "euros"], "--cost: 'euros' is none of images, flops, device-time"),
        (["loss", "--configs", "omega"], "tiny@1 has no config 'omega'; it has alpha, beta, gamma, delta"),
        (["loss"], "tiny@1.jsonl: no such file"),
    ],
)
def test_plot_of_what_there_is_not(place: Path, words: list[str], told: str) -> None:
    """A wrong kind or option, or results that are not there, are one line, and nothing is drawn."""
    assert re.search(told.replace("?", r"\?"), refused("plot", *words, "-p", "tiny"))
    assert not list(place.glob("*.svg"))


def test_plot_without_submissions(place: Path) -> None:
    """An empty figure is not drawn silently."""
    assert "no submission of tiny@1" in refused("plot", "-p", "tiny", "--submissions", "nope")


@pytest.mark.parametrize("command", ["leaderboard", "plot"])
def test_help_has_an_example(command: str) -> None:
    """The help of each command shows how it is called."""
    assert f"Example: dlth-bench {command}" in run(command, "--help").output


def test_commands_import_nothing_heavy() -> None:
    """Scores and boards need no training: their commands start without the libraries that do it."""
    code = (
        "import sys\n"
        "from dlth_bench.cli import check, leaderboard, run, score\n"
        "print([name for name in ('torch', 'matplotlib', 'timm') if name in sys.modules])"
    )
    source = str(Path(dlth_bench.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_site_and_data_are_written_on_request(place: Path) -> None:
    """One command makes the website and the table for programs; again, and every byte is the same."""
    pytest.importorskip("pyarrow", reason="pip install -e '.[datasets]'")
    output = run("leaderboard", "--site", "site", "--data", "data").output
    assert "2 submissions valid; wrote leaderboard.md, data, site" in output
    written = {path: path.read_bytes() for name in ("site", "data") for path in (place / name).rglob("*.*")}
    assert {path.name for path in written} == {
        *("leaderboard.parquet", "leaderboard.csv", "leaderboard.json"),
        *("index.html", "compare.html", "tiny@1.html", "good.html", "worse.html"),
    }
    run("leaderboard", "--site", "site", "--data", "data")
    assert {path: path.read_bytes() for path in written} == written


def test_foreign_page_stops_everything(place: Path) -> None:
    """A folder with a homepage is refused before the board is written."""
    pytest.importorskip("pyarrow", reason="pip install -e '.[datasets]'")
    (place / "home").mkdir()
    (place / "home" / "index.html").write_text("my homepage")
    assert refused("leaderboard", "--site", "home", "--data", "data").startswith("home/index.html: is not a page of")
    assert not (place / "leaderboard.md").exists()
    assert not (place / "data").exists()
