"""CIFAR-10 and CIFAR-100: their classes, and where their images are.

Of CIFAR-100 the classes are the fine labels, in a tree of the coarse ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, RowNumbers, read_table
from dlth_bench.datasets.download import HubFiles
from dlth_bench.datasets.entry import Columns, DatasetEntry, PublishedSize

_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_VEHICLES = ("airplane", "automobile", "ship", "truck")


@cache
def cifar10_catalog() -> ClassCatalog:
    """The ten classes in the usual (alphabetical) order; a class's only ancestor says: a vehicle or an animal."""
    kinds = {label: "vehicle" if label in _VEHICLES else "animal" for label in _LABELS}
    classes = tuple(ClassInfo(label, label, (), (kind,)) for label, kind in kinds.items())
    return ClassCatalog("cifar10", "a label such as airplane", classes)


@cache
def cifar100_catalog() -> ClassCatalog:
    """The 100 fine classes in the usual (alphabetical) order; a class's only ancestor is its superclass.

    A class is known by its label, ``aquarium_fish``, and by the label with spaces; the crab also by the Hub's misspelt
    label. Numbers are not accepted: a list of them is taken for ImageNet's.
    """
    rows = read_table(Path(__file__).with_name("cifar100_classes.csv"))
    return ClassCatalog("cifar100", "a fine label such as aquarium_fish", tuple(map(_class_info, rows)))


def _class_info(row: dict[str, str]) -> ClassInfo:
    label = row["fine"]
    name = label.replace("_", " ")
    spellings = ("cra",) if label == "crab" else (name,)
    return ClassInfo(label, name, spellings, (row["coarse"].replace("_", " "),))


def _entry(
    classes: int, catalog: Callable[[], ClassCatalog], *, labels: str, revision: str, size_bytes: float
) -> DatasetEntry:
    """One of the two, by its number of classes; sizes are of Krizhevsky (2009)."""
    name, each = f"cifar{classes}", 50_000 // classes
    return DatasetEntry(
        name=name,
        title=f"CIFAR-{classes}",
        holds="images",
        catalog=catalog,
        reader="dlth_bench.datasets.parquet:SmallImages",
        hub=HubFiles(name, f"uoft-cs/{name}", revision, ("*.parquet",), size_bytes),
        published=PublishedSize(50_000, (each, each), 10_000 // classes),
        sample_names=RowNumbers(digits=5, rows=50_000),
        columns=Columns(samples="img", labels=labels),
    )


# The revisions are the commits that made the datasets Parquet.
CIFAR10 = _entry(
    10, cifar10_catalog, labels="label", revision="0b2714987fa478483af9968de7c934580d0bb9a2", size_bytes=1.4e8
)
CIFAR100 = _entry(
    100, cifar100_catalog, labels="fine_label", revision="aadb3af77e9048adbea6b47c21a81e47dd092ae5", size_bytes=1.5e8
)
