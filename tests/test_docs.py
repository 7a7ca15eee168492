"""The documents: their links lead somewhere, their figures are the stored ones, and the README stays short."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_DOCUMENTS = sorted(
    [
        *(_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *_ROOT.glob(".github/**/*.md"),
        *_ROOT.glob("docs/*.md"),
    ]
)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
_CODE_FILE = re.compile(r"(?<![\w./-])[\w.-]+/[\w./-]*\.(?:py|sh)\b")


def _prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def _anchors(document: Path) -> set[str]:
    """What GitHub makes of the headings: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_relative_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    """A reader who follows a link arrives."""
    dead = []
    for link in _LINK.findall(_prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            dead.append(link)
    assert not dead, f"{document.relative_to(_ROOT)} links to what is not there: {dead}"


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_files_of_code_that_a_document_names_exist(document: Path) -> None:
    """Whoever looks for the code behind a sentence finds it: paths are the repository's or the package's."""
    text = re.sub(r"^# file: .*$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE)  # to be made
    named = set(_CODE_FILE.findall(text))
    places = (_ROOT, _ROOT / "benchmark" / "dlth_bench", document.parent)
    lost = sorted(name for name in named if not any((place / name).is_file() for place in places))
    assert not lost, f"{document.relative_to(_ROOT)} names files that are not there: {lost}"


def test_every_page_is_on_the_front_page_of_the_documents() -> None:
    """No page can be found by chance only."""
    linked = set(_LINK.findall((_ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
    pages = {path.name for path in (_ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages <= linked


def test_readme_is_a_front_page() -> None:
    """It is read before a coffee is cold, and on a narrow window: 120 lines of 100 characters."""
    lines = (_ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 100] == []


def test_prose_of_the_documents_fits_120_characters() -> None:
    """Documents can be read in a terminal; tables and blocks may be wider."""
    wide = [
        f"{document.name}: {line[:60]}"
        for document in _DOCUMENTS
        for line in _prose(document).splitlines()
        if len(line) > 120 and not line.lstrip().startswith(("|", "!["))
    ]
    assert wide == []


def test_board_in_the_readme_is_the_board() -> None:
    """Nobody reads a figure on the front page that the board does not have."""
    board = (_ROOT / "leaderboard.md").read_text(encoding="utf-8")
    section = board[board.index("\n## glyphs-ssl@3:") :].split("\n## ")[1]
    rows = [_cells(line) for line in section.splitlines() if re.match(r"\| +\d+–\d+ \|", line)]
    heads = next(_cells(line) for line in section.splitlines() if line.startswith("|   Rank |"))
    full = [dict(zip(heads, row, strict=True)) for row in rows]
    readme = [_cells(line) for line in (_ROOT / "README.md").read_text(encoding="utf-8").splitlines()]
    shown = [row for row in readme if re.fullmatch(r"\d+–\d+", row[0])]
    assert len(shown) >= 3
    for (rank, name, _, spearman, pearson, pairs, regret, saved), row in zip(shown, full, strict=False):
        assert [rank, name, spearman, pearson, pairs, regret] == [
            row[key] for key in ("Rank", "Submission", "ρs [95 %]", "ρp [95 %]", "Pairs", "Regret")
        ]
        assert saved == f"{row['Images saved %']} %"


def test_answer_of_the_tuning_grid_is_the_boards() -> None:
    """The means, costs and ranges that the front page prints are those of the frontier and its cell."""
    board = (_ROOT / "leaderboard.md").read_text(encoding="utf-8")
    section = board[board.index("\n## glyphs-tuning@1:") :].split("\n## ")[1]
    readme = " ".join((_ROOT / "README.md").read_text(encoding="utf-8").split())
    told = {}
    for size in ("24", "60"):
        row = next(_cells(line) for line in section.splitlines() if line.startswith(f"| {size} classes, equal epochs"))
        assert f"{row[3]} at {float(row[1]):.0f} %" in readme.replace("of the cost", "")
        told[size] = row
    cell = section[section.index("\n### 24 classes, equal epochs") :].split("\n### ")[1]
    rows = [_cells(line) for line in cell.splitlines() if line.startswith("| ")][1:]
    values = {
        kind: [row[2].split()[0] for row in rows if (row[1] == "rs") == (kind == "rs")] for kind in ("rs", "other")
    }
    assert (len(values["rs"]), len(values["other"])) == (20, 10) == (int(told["24"][2]), 10)
    informed, random = (f"{min(values[kind])} to {max(values[kind])}" for kind in ("other", "rs"))
    assert f"Ten lists by informed policies lie at {informed}, within the twenty random ones' {random}." in readme
    assert f"the full data again, {_ceiling_of(section)} (the ceiling)" in readme


def _ceiling_of(section: str) -> str:
    found = re.search(r"Noise ceiling: ρs ([.\d]+)", section)
    assert found is not None
    return found[1]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_picture_on_the_front_page_shows_stored_results() -> None:
    """Its texts are the scorecard's figures, and its points lie where these belong."""
    picture = (_ROOT / "docs" / "idea.svg").read_text(encoding="utf-8")
    card = _scorecard("rs-0")
    for config in card["configs"]:
        for side, mean, std in (("full", "reference_mean", "reference_std"), ("subset", "mean", "std")):
            assert f">{100 * config[mean]:.1f} ± {100 * config[std]:.1f}</tspan>" in picture
            place = re.search(rf'id="{side}-{config["config"]}" cx="\d+" cy="([\d.]+)"', picture)
            assert place is not None
            assert float(place[1]) == pytest.approx(400 - 7.4 * (100 * config[mean] - 52), abs=0.06)
    order, decision = card["spearman"], card["decision"]
    spearman, low, high, ceiling = (f"{order[key]:.3f}"[1:] for key in ("value", "low", "high", "ceiling"))
    assert f">ρs {spearman} [{low}, {high}],<" in picture
    assert f">noise ceiling {ceiling}.<" in picture
    assert f">No: {decision['pairs_agreed']} of {decision['pairs_resolved']} clear pairs alike,<" in picture
    assert f">regret {100 * decision['regret']:.1f} points.<" in picture
    assert f">{100 * card['cost']['images_saved']:.1f} % fewer images<" in picture


@cache
def _scorecard(name: str) -> dict[str, Any]:
    text = (_ROOT / "submissions" / "glyphs-ssl" / name / "scorecard.json").read_text(encoding="utf-8")
    card: dict[str, Any] = json.loads(text)
    return card
