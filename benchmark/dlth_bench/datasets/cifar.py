"""CIFAR-10 and CIFAR-100: their classes, and where their images are.

Of CIFAR-100 the classes are the fine labels, in a tree of the coarse ones.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, RowNumbers
from dlth_bench.datasets.download import HubFiles
from dlth_bench.datasets.entry import Columns, DatasetEntry, PublishedSize

_KINDS = {
    "airplane": "vehicle",
    "automobile": "vehicle",
    "bird": "animal",
    "cat": "animal",
    "deer": "animal",
    "dog": "animal",
    "frog": "animal",
    "horse": "animal",
    "ship": "vehicle",
    "truck": "vehicle",
}


@cache
def cifar10_catalog() -> ClassCatalog:
    """The ten classes in the usual (alphabetical) order; a class's only ancestor says: a vehicle or an animal."""
    classes = tuple(ClassInfo(label, label, (), (kind,)) for label, kind in _KINDS.items())
    return ClassCatalog("cifar10", "a label such as airplane", classes)


@cache
def cifar100_catalog() -> ClassCatalog:
    """The 100 fine classes in the usual (alphabetical) order; a class's only ancestor is its superclass.

    A class is known by its label, ``aquarium_fish``, and by the label with spaces; the crab also by the Hub's misspelt
    label. Numbers are not accepted: a list of them is taken for ImageNet's.
    """
    table = resources.files("dlth_bench.datasets").joinpath("cifar100_classes.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return ClassCatalog("cifar100", "a fine label such as aquarium_fish", tuple(map(_class_info, rows)))


def _class_info(row: dict[str, str]) -> ClassInfo:
    label = row["fine"]
    name = label.replace("_", " ")
    spellings = ("cra",) if label == "crab" else (name,)
    return ClassInfo(label, name, spellings, (row["coarse"].replace("_", " "),))


CIFAR10 = DatasetEntry(
    name="cifar10",
    title="CIFAR-10",
    holds="images",
    catalog=cifar10_catalog,
    reader="dlth_bench.datasets.parquet:SmallImages",
    hub=HubFiles(
        name="cifar10",
        repository="uoft-cs/cifar10",
        revision="0b2714987fa478483af9968de7c934580d0bb9a2",  # the commit that made the dataset Parquet
        patterns=("*.parquet",),
        size_bytes=1.4e8,
    ),
    published=PublishedSize(50_000, (5_000, 5_000), 1_000),  # Krizhevsky 2009
    sample_names=RowNumbers(digits=5, rows=50_000),
    columns=Columns(samples="img", labels="label"),
)

CIFAR100 = DatasetEntry(
    name="cifar100",
    title="CIFAR-100",
    holds="images",
    catalog=cifar100_catalog,
    reader="dlth_bench.datasets.parquet:SmallImages",
    hub=HubFiles(
        name="cifar100",
        repository="uoft-cs/cifar100",
        revision="aadb3af77e9048adbea6b47c21a81e47dd092ae5",  # the commit that made the dataset Parquet
        patterns=("*.parquet",),
        size_bytes=1.5e8,
    ),
    published=PublishedSize(50_000, (500, 500), 100),  # Krizhevsky 2009
    sample_names=RowNumbers(digits=5, rows=50_000),
    columns=Columns(samples="img", labels="fine_label"),
)
