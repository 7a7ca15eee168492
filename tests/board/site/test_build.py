"""The site's pages: complete, linked, the same bytes each time, and strangers' text as nothing but text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from site_examples import AUTHOR, DESCRIPTION, NAMES, POLICY, boards

from dlth_bench.board.board import Board
from dlth_bench.board.site.build import current_boards, site_pages
from dlth_bench.board.verification import Verification


class _Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text outside scripts."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.data = ""
        self._inside = ""
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in {"script", "style"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.text += data
        elif self.elements[-1][1].get("type") == "application/json":
            self.data += data

    def links(self) -> list[str]:
        return [attributes["href"] or "" for _, attributes in self.elements if "href" in attributes]


@pytest.fixture(scope="module")
def all_boards(tmp_path_factory: pytest.TempPathFactory) -> list[Board]:
    return boards(tmp_path_factory.mktemp("submissions"))


@pytest.fixture(scope="module")
def pages(all_boards: list[Board]) -> dict[str, _Page]:
    return {path: _Page(content) for path, content in site_pages(all_boards).items()}


def test_every_submission_and_protocol_has_a_page(pages: dict[str, _Page]) -> None:
    """Nothing on the board is without a page, an empty board included."""
    own = {f"submissions/tiny@1/{name}.html" for name in NAMES}
    assert set(pages) == own | {"index.html", "compare.html", "protocols/tiny@1.html", "protocols/empty@1.html"}
    assert "No submissions yet." in pages["protocols/empty@1.html"].text


def test_links_lead_to_pages(pages: dict[str, _Page]) -> None:
    """Every link inside the site has a page at its end, relative to where it stands: the site works from a folder."""
    for path, page in pages.items():
        for link in page.links():
            target = urlsplit(link)
            if target.scheme or not target.path:
                continue
            parts: list[str] = list(PurePosixPath(path).parent.parts)
            for part in target.path.split("/"):
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in pages, (path, link)


def test_nothing_is_loaded_from_elsewhere(pages: dict[str, _Page]) -> None:
    """No page names a file to load; its policy forbids it, and knows its own script and style by digest."""
    for page in pages.values():
        assert not [attributes for _, attributes in page.elements if "src" in attributes or "srcset" in attributes]
        assert not [attributes for _, attributes in page.elements if "style" in attributes]
        loaded = [attributes["href"] for tag, attributes in page.elements if tag == "link"]
        assert all(str(href).startswith("data:image/svg+xml,") for href in loaded)
        policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
        assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in str(policy)


def test_hostile_text_is_text(pages: dict[str, _Page]) -> None:
    """A submitter's tags, quotes and template marks make no element and no attribute, and read as they were written."""
    quiet, loud = pages["submissions/tiny@1/best.html"], pages["submissions/tiny@1/hostile.html"]
    assert [tag for tag, _ in loud.elements if tag in {"script", "img", "b", "iframe"}] == [
        tag for tag, _ in quiet.elements if tag in {"script", "img", "b", "iframe"}
    ]
    for page in pages.values():
        names = {name for _, attributes in page.elements for name in attributes}
        assert not {name for name in names if name.startswith("on")}
    assert POLICY in loud.text
    assert AUTHOR in loud.text
    assert DESCRIPTION in loud.text


def test_compare_data_survives_hostile_text(pages: dict[str, _Page]) -> None:
    """The compare page's JSON cannot end its own element, and holds the text unchanged."""
    data = json.loads(pages["compare.html"].data)
    submissions = data["protocols"]["tiny@1"]["submissions"]
    assert set(submissions) == set(NAMES)
    assert submissions["hostile"]["facts"]["policy"] == POLICY
    assert data["classes"]["glyphs"]["U+0041"] == "LATIN CAPITAL LETTER A"
    assert ["best", "worst"] in data["protocols"]["tiny@1"]["separated"]


def test_numbers_are_the_boards(pages: dict[str, _Page]) -> None:
    """The table holds correlations and tie groups, and each page its digests and the command that reproduces it."""
    index = pages["index.html"].text
    assert "1.000 [" in index
    assert "-1.000" in index
    assert "Tie group 2" in index
    page = pages["submissions/tiny@1/rs-1.html"].text
    assert "dlth-bench run --protocol tiny@1 --subset submissions/tiny/rs-1/subset.txt" in page
    assert "LATIN CAPITAL LETTER A" in page
    assert "Abacus 3000" in page


def test_status_is_shown(all_boards: list[Board]) -> None:
    """A verified submission says so on the board and on its page, with by whom."""
    board = all_boards[0]
    fields = {"by": "A. Turing", "date": date(2026, 1, 4), "cells": (None, None), "verdict": "verified"}
    verified = replace(board.rows[0].submission, verification=Verification.model_construct(**fields))
    rows = [replace(board.rows[0], submission=verified), *board.rows[1:]]
    pages = site_pages([replace(board, rows=rows)])
    name = rows[0].submission.metadata.name
    page = _Page(pages[f"submissions/tiny@1/{name}.html"])
    assert "A. Turing, 2026-01-04, 2 cells" in page.text
    assert ("span", {"class": "badge verified", "title": "A. Turing, 2026-01-04, 2 cells"}) in page.elements


def test_same_boards_give_the_same_bytes(all_boards: list[Board]) -> None:
    """Publishing twice changes nothing: no page holds a time or an order that differs."""
    assert site_pages(all_boards) == site_pages(list(all_boards))


def test_current_board_is_the_newest_with_submissions(all_boards: list[Board]) -> None:
    """A new version that nobody has submitted to does not hide the board of the one before."""
    old = all_boards[0]
    new = Board(old.protocol.model_copy(update={"version": 2}), [])
    assert current_boards([new, old]) == [old]
    assert current_boards([new]) == [new]
