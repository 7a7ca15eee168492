"""The class catalog of AG News: its four topics."""

from __future__ import annotations

from functools import cache

from dlth_bench.spec.classes import ClassCatalog, ClassInfo

TOPICS = ("World", "Sports", "Business", "Sci/Tech")
"""The label names of the Hub's files, in their order."""


@cache
def agnews_catalog() -> ClassCatalog:
    """The four topics in the usual order; an ID has no slash, so ``Sci/Tech`` is ``Sci-Tech``."""
    classes = tuple(ClassInfo(name.replace("/", "-"), name) for name in TOPICS)
    return ClassCatalog("agnews", "a topic such as Sports", classes)
