"""CIFAR-10: 60 000 colour images of 32x32 in 10 classes (Krizhevsky 2009)."""

from dlth_bench.datasets.cifar10.catalog import cifar10_catalog

__all__ = ["cifar10_catalog"]
