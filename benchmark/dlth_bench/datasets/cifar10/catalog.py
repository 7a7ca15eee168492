"""The class catalog of CIFAR-10."""

from __future__ import annotations

from functools import cache

from dlth_bench.spec.classes import ClassCatalog, ClassInfo

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
