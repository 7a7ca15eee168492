"""The class catalog of CIFAR-100: the fine labels, in a tree of the coarse ones."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo

TOPICS = ("World", "Sports", "Business", "Sci/Tech")
"""The label names of the Hub's files, in their order."""


@cache
def agnews_catalog() -> ClassCatalog:
    """The four topics in the usual order; an ID has no slash, so ``Sci/Tech`` is ``Sci-Tech``."""
    classes = tuple(ClassInfo(name.replace("/", "-"), name) for name in TOPICS)
    return ClassCatalog("agnews", "a topic such as Sports", classes)


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
