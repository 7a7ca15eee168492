"""``dlth-bench score`` on plain tables of accuracies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlth_bench.cli.main import app
from dlth_bench.util.errors import InputError

# Table 13 of the DLTH paper (AG News, four training configs): full-data accuracies, then subsets with their rho_p.
FULL = {"c1": 0.910, "c2": 0.905, "c3": 0.896, "c4": 0.909}
TABLE_13 = {
    "RS-0": ((0.864, 0.862, 0.862, 0.863), 0.764),
    "RS-1": ((0.863, 0.867, 0.863, 0.871), 0.437),
    "RS-2": ((0.863, 0.870, 0.859, 0.868), 0.589),
    "RS-3": ((0.870, 0.868, 0.863, 0.864), 0.617),
    "RS-4": ((0.861, 0.862, 0.860, 0.867), 0.555),
    "Lottery Ticket-0": ((0.871, 0.864, 0.863, 0.867), 0.814),
    "Lottery Ticket-1": ((0.870, 0.865, 0.864, 0.871), 0.863),
}

CONFIG = """
  - name: {name}
    title: {name}
    backbone: {{kind: resnet, widths: [8], blocks: [1]}}
    method: {{kind: supervised, augment: {{}}}}
    train: {{duration: {{epochs: 1}}, batch_size: 8, optimizer: {{kind: sgd, lr: 0.1}}}}
"""


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """A protocol of four configs with the paper's published full-data accuracies."""
    digest = "0" * 64
    lines = [
        "name: table13\nversion: 1\ntitle: AG News\nbudget: epochs\nseeds: [0]\nsubset: {minimum: 2, maximum: 3}",
        f"data: {{dataset: glyphs, manifest_digest: '{digest}', pixel_mean: [0.0], pixel_std: [1.0]}}",
        "configs:" + "".join(CONFIG.format(name=name) for name in FULL),
        "reference:\n  source: Table 13\n  date: 2022-09-29\n  configs:",
        *(f"    {name}: {{mean: {mean}}}" for name, mean in FULL.items()),
    ]
    path = tmp_path / "table13.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def score(protocol: Path, table: str, *options: str) -> str:
    path = protocol.with_name("table.csv")
    path.write_text(table)
    command = ["score", "--protocol", str(protocol), "--csv", str(path), *options]
    return CliRunner().invoke(app, command, catch_exceptions=False).output


def test_published_table_scores_as_published(protocol: Path) -> None:
    """A table from a paper can be scored without training: Table 13 gives its seven Pearson correlations."""
    rows = [",".join((name, *map(str, accuracies))) for name, (accuracies, _) in TABLE_13.items()]
    cards = json.loads(score(protocol, "subset,c1,c2,c3,c4\n" + "\n".join(rows) + "\n", "--json"))
    assert {name: round(card["pearson"]["value"], 3) for name, card in cards.items()} == {
        name: printed for name, (_, printed) in TABLE_13.items()
    }


def test_layouts_say_the_same(protocol: Path) -> None:
    """A long table with seeds, percent signs of the header line, and a wide one give the same means."""
    wide = json.loads(score(protocol, "c1,c2,c3,c4\n0.5,0.4,0.3,0.6\n", "--json"))
    long = "# percent\nconfig,seed,accuracy\nc1,0,49\nc1,1,51\nc2,0,40\nc3,0,30\nc4,0,60\n"
    deep = json.loads(score(protocol, long, "--json"))
    assert deep["table"]["pearson"]["value"] == pytest.approx(wide["table"]["pearson"]["value"])


def test_table_is_shown_to_people(protocol: Path) -> None:
    """Without --json the scorecard is a table with the correlations named."""
    shown = score(protocol, "c1,c2,c3,c4\n0.5,0.4,0.3,0.6\n")
    assert "ρs" in shown
    assert "c4" in shown


@pytest.mark.parametrize(
    ("table", "line", "told"),
    [
        ("c1,c2\n", None, "no rows"),
        ("a,b\n1,2\n", 1, "needs columns"),
        ("c1,c2,c3,sead\n.1,.2,.3,4\n", 1, "'sead'"),
        ("# note\nc1,c2,c3\n.1,.2\n", 3, "2 fields"),
        ("c1,c2,c3\n.1,x,.3\n", 2, "'x' is not a number"),
        ("c1,c2,c3\n.1,nan,.3\n", 2, "not between"),
        ("c1,c2,c3\n10,20,30\n", 2, "# percent"),
        ("config,accuracy\nc1,.1\nc9,.2\n", 3, "'c9'"),
        ("config,seed,accuracy\nc1,0,.1\nc1,0,.2\n", 3, "twice"),
        ("config,seed,accuracy\nc1,one,.1\n", 2, "'one'"),
        ("c1,c2\n.1,.2\n", None, "2 of 4 configs"),
    ],
)
def test_wrong_table_is_told_where(protocol: Path, table: str, line: int | None, told: str) -> None:
    """What is wrong with a table is said with its file and line."""
    with pytest.raises(InputError) as caught:
        score(protocol, table)
    assert told in caught.value.message
    assert caught.value.line == line
