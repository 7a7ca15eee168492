"""ImageNet-1K: the classes and their WordNet tree, and where the images are.

``classes.csv`` holds the index, WordNet 3.0 ID, lemmas and torchvision label of the 1000 classes;
``wordnet_hypernyms.csv`` their hypernym closure (rank 0 is the first-listed hypernym) and ``wordnet_names.csv``
its names, both from WordNet 3.0 under the terms of ``WORDNET_LICENSE.txt``. No image is shipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, read_table
from dlth_bench.datasets.download import HubFiles
from dlth_bench.datasets.entry import DatasetEntry, PublishedSize


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
    return read_table(Path(__file__).with_name(file_name))


@dataclass(frozen=True)
class FileNames:
    """A sample is called by its file, such as ``n01440764_10026``, without the suffix."""

    def example(self, class_id: str) -> str:
        return f"{class_id}_10026"

    def admits(self, class_id: str, name: str) -> bool:
        return re.fullmatch(rf"{re.escape(class_id)}_[1-9][0-9]{{0,6}}", name) is not None


IMAGENET = DatasetEntry(
    name="imagenet",
    title="ImageNet-1K",
    holds="images",
    catalog=imagenet_catalog,
    reader="dlth_bench.datasets.imagenet.dataset:read_imagenet",
    hub=HubFiles(
        name="imagenet",
        repository="ILSVRC/imagenet-1k",
        revision="49e2ee26f3810fb5a7536bbf732a7b07389a47b5",  # the commit with 294 and 14 files of Parquet
        patterns=("data/train-*.parquet", "data/validation-*.parquet"),
        size_bytes=1.5e11,
        gated=True,
    ),
    # ILSVRC 2012: Russakovsky et al. 2015 (arXiv:1409.0575), table 2.
    published=PublishedSize(1_281_167, (732, 1_300), 50),
    sample_names=FileNames(),
    packed=True,
)
