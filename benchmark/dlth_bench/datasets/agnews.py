"""AG News: its classes, and where its texts are.

A text is a title and the beginning of the article.
"""

from __future__ import annotations

from functools import cache

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, RowNumbers
from dlth_bench.datasets.download import HubFiles
from dlth_bench.datasets.entry import Columns, DatasetEntry, PublishedSize

TOPICS = ("World", "Sports", "Business", "Sci/Tech")
"""The label names of the Hub's files, in their order."""


@cache
def agnews_catalog() -> ClassCatalog:
    """The four topics in the usual order; an ID has no slash, so ``Sci/Tech`` is ``Sci-Tech``."""
    classes = tuple(ClassInfo(name.replace("/", "-"), name) for name in TOPICS)
    return ClassCatalog("agnews", "a topic such as Sports", classes)


AGNEWS = DatasetEntry(
    name="agnews",
    title="AG News",
    holds="texts",
    catalog=agnews_catalog,
    reader="dlth_bench.datasets.parquet:ParquetTexts",
    hub=HubFiles(
        name="agnews",
        repository="fancyzhx/ag_news",
        revision="eb185aade064a813bc0b7f42de02595523103ca4",  # the commit that made the dataset Parquet
        patterns=("*.parquet",),
        size_bytes=2e7,
    ),
    published=PublishedSize(120_000, (30_000, 30_000), 1_900),  # Zhang et al. 2015 (arXiv:1509.01626)
    sample_names=RowNumbers(digits=6, rows=120_000),
    columns=Columns(samples="text", labels="label"),
)
