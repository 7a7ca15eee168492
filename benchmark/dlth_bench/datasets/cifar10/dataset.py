"""The images of CIFAR-10, from Parquet files as on the Hugging Face Hub."""

from __future__ import annotations

from functools import cache

from dlth_bench.datasets.cifar10.catalog import cifar10_catalog
from dlth_bench.datasets.cifar10.files import HUB, LAYOUT
from dlth_bench.datasets.cifar100.dataset import CIFAR
from dlth_bench.spec.classes import ClassCatalog


class CIFAR10(CIFAR):
    """CIFAR-10; IDs of samples are like ``airplane/00042``."""

    name = "cifar10"
    title = "CIFAR-10"
    hub = HUB
    layout = LAYOUT

    @property
    def catalog(self) -> ClassCatalog:
        return cifar10_catalog()


@cache
def cifar10() -> CIFAR10:
    """One instance a process, so that its files are decoded once."""
    return CIFAR10()
