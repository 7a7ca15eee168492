"""The classes of Glyphs, the embedded dataset: Unicode characters in scripts and categories."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, read_table
from dlth_bench.datasets.entry import DatasetEntry

FOLDER = Path(__file__).parent
"""Holds the frozen files."""

CLASSES = "classes.csv"
"""One line a class: its code point, Unicode name, script, category and letter."""


@cache
def glyphs_catalog() -> ClassCatalog:
    """The characters in order of code points, by ``U+0041``, by themselves (save ``#``) or by Unicode name."""
    return ClassCatalog("glyphs", "a code point such as U+0041", tuple(map(_class_info, read_table(FOLDER / CLASSES))))


def _class_info(row: dict[str, str]) -> ClassInfo:
    character = chr(int(row["code_point"].removeprefix("U+"), 16))
    spellings = (row["name"],) if character == "#" else (character, row["name"])  # # starts a comment in subset files
    return ClassInfo(row["code_point"], row["name"], spellings, (row["script"], row["category"], row["letter"]))


GLYPHS = DatasetEntry(
    name="glyphs",
    title="Glyphs",
    holds="images",
    catalog=glyphs_catalog,
    reader="dlth_bench.datasets.glyphs.dataset:read_glyphs",
)
