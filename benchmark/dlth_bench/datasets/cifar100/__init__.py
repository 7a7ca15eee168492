"""CIFAR-100: 60 000 colour images of 32x32 in 100 classes (Krizhevsky 2009)."""

from dlth_bench.datasets.cifar100.catalog import cifar100_catalog

__all__ = ["cifar100_catalog"]
