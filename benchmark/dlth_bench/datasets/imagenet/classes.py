"""ImageNet-1K: the classes and their WordNet tree.

``classes.csv`` holds the index, WordNet 3.0 ID, lemmas and torchvision label of the 1000 classes;
``wordnet_hypernyms.csv`` their hypernym closure (rank 0 is the first-listed hypernym) and ``wordnet_names.csv``
its names, both from WordNet 3.0 under the terms of ``WORDNET_LICENSE.txt``. No image is shipped.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo


@cache
def imagenet_catalog() -> ClassCatalog:
    """The 1000 classes in the usual order (sorted WordNet IDs).

    A class is known by its WordNet ID, its index ``0`` to ``999``, its torchvision label, its full lemma string,
    and its first lemma, which is the label that Keras and older lists print. First lemmas are not unique
    (``crane`` the bird and the machine, ``maillot`` twice), and the catalog accepts no shared spelling.
    """
    names = {row["wnid"]: row["name"] for row in _rows("wordnet_names.csv")}
    parents = first_hypernyms()
    return ClassCatalog(
        dataset="imagenet",
        id_hint="a WordNet ID such as n01440764",
        classes=tuple(_class_info(row, parents, names) for row in _rows("classes.csv")),
    )


def first_hypernyms() -> dict[str, str]:
    """WordNet's tree as child to parent: the first-listed hypernym of each class and of each of its ancestors."""
    return {row["child"]: row["parent"] for row in _rows("wordnet_hypernyms.csv") if row["rank"] == "0"}


def _class_info(row: Mapping[str, str], parents: Mapping[str, str], names: Mapping[str, str]) -> ClassInfo:
    label, lemmas = row["torchvision_label"], row["lemmas"]
    spellings = (row["index"], label, lemmas, lemmas.split(",")[0])
    return ClassInfo(
        id=row["wnid"],
        name=label,
        aliases=tuple(dict.fromkeys(spellings)),
        tree=tuple(names[ancestor] for ancestor in _ancestors(row["wnid"], parents)),
    )


def _ancestors(wnid: str, parents: Mapping[str, str]) -> list[str]:
    """The chain of first-listed hypernyms, from the root to the parent."""
    chain: list[str] = []
    while wnid in parents:
        wnid = parents[wnid]
        chain.append(wnid)
    return chain[::-1]


def _rows(file_name: str) -> list[dict[str, str]]:
    table = resources.files("dlth_bench.datasets.imagenet").joinpath(file_name)
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
