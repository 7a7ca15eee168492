"""CIFAR-10's Parquet files on the Hub; what is in them is as in `cifar100.files`."""

from __future__ import annotations

from dlth_bench.datasets.hub import HubFiles
from dlth_bench.datasets.labelled_parquet import Layout

HUB = HubFiles(
    name="cifar10",
    repository="uoft-cs/cifar10",
    revision="0b2714987fa478483af9968de7c934580d0bb9a2",  # the commit that made the dataset Parquet
    patterns=("*.parquet",),
    size_bytes=1.4e8,
)

LAYOUT = Layout(samples="img", labels="label", like=HUB.repository)
