"""Boards of made-up submissions for the tests of the site: two tie groups, and text that would like to be code."""

from __future__ import annotations

from pathlib import Path

from board_examples import FULL, SUBSET, results_of, submit, tiny_protocol

from dlth_bench.board.board import Board
from dlth_bench.board.markdown import board_rows
from dlth_bench.subsets.subset import Subset

POLICY = '"><script>alert(1)</script><b x='
DESCRIPTION = "</script><script>alert(2)</script><img src=x onerror=alert(3)> {{ 7*7 }} <!-- ' -->"
AUTHOR = "Robert'); <svg/onload=alert(4)> \\input{/etc/passwd} and Mallory"
URL = "https://evil.example/?a=1&lt=2;%22onload=3"

NAMES = ("best", "constructor", "hostile", "rs-0", "rs-1", "worst")
"""A submission may be called as a method of every JavaScript object is."""

_LETTERS = ("U+0044", "U+0045", "U+0046", "U+0047", "U+0048", "U+0049")


def boards(root: Path) -> list[Board]:
    """Six submissions of one protocol, and a second protocol without any."""
    protocol = tiny_protocol()
    reversed_order = dict(zip(FULL, reversed(FULL.values()), strict=True))
    swapped = {**FULL, "alpha": FULL["beta"], "beta": FULL["alpha"]}
    accuracies = {"worst": reversed_order, "rs-1": swapped}
    given = {"hostile": {"policy": POLICY, "description": DESCRIPTION, "authors": (AUTHOR,), "url": URL}}
    stored = []
    for name, letter in zip(NAMES, _LETTERS, strict=True):
        subset = Subset(dataset="glyphs", ids=(*SUBSET.ids[:2], letter))
        results = results_of(protocol, subset, accuracies.get(name, FULL))
        fields = given.get(name, {"policy": "RS" if name.startswith("rs") else "chosen"})
        stored.append(submit(root, name, subset=subset, results=results, **fields))
    empty = tiny_protocol(name="empty")
    return [Board(protocol, board_rows(stored, protocol)), Board(empty, [], frozen=False)]
