"""How the samples are called of datasets that are not shipped, so that a list of them can be checked without the data.

Every copy of such a dataset has the same IDs, and whoever checks a submission need not have one: what this machine
holds must not decide what is valid, and 150 GB must not be downloaded to read a list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from dlth_bench.datasets.published_sizes import PUBLISHED
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.samples import SampleCatalog

_ROW_DIGITS = {"agnews": 6, "cifar10": 5, "cifar100": 5}
"""Of the row in its split, by which a sample is called."""


@dataclass(frozen=True, eq=False)
class SamplesByRule(SampleCatalog):
    """The samples that there may be; ``sample_ids`` has one example.

    An ID that breaks the rule is no sample of any copy; one that keeps it may still be missing, which a run says.
    """

    def index(self, sample_id: str) -> int | None:
        """0 for an ID as the dataset's samples have it, else None."""
        class_id, _, name = sample_id.partition("/")
        return 0 if class_id in self._classes and _is_a_name(self.dataset, class_id, name) else None

    @cached_property
    def _classes(self) -> frozenset[str]:
        return frozenset(self.class_ids)

    def closest(self, sample_id: str) -> str | None:
        """None: no other ID is known to be near."""
        return None


def samples_by_rule(catalog: ClassCatalog) -> SamplesByRule:
    """The rule of one of the datasets that are not shipped, with its classes."""
    first = catalog.ids[0]
    name = f"{first}_10026" if catalog.dataset == "imagenet" else "0" * _ROW_DIGITS[catalog.dataset]
    return SamplesByRule(catalog.dataset, (f"{first}/{name}",), (0,), catalog.ids)


def _is_a_name(dataset: str, class_id: str, name: str) -> bool:
    if dataset == "imagenet":  # the file's name, such as n01440764_10026
        return re.fullmatch(rf"{re.escape(class_id)}_[1-9][0-9]{{0,6}}", name) is not None
    digits = _ROW_DIGITS[dataset]
    return re.fullmatch(rf"[0-9]{{{digits}}}", name) is not None and int(name) < PUBLISHED[dataset].train
