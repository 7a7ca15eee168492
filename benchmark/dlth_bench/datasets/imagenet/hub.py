"""ImageNet on the Hugging Face Hub, where its owners give access to those who accept their terms."""

from __future__ import annotations

from dlth_bench.datasets.hub import HubFiles

HUB = HubFiles(
    name="imagenet",
    repository="ILSVRC/imagenet-1k",
    revision="49e2ee26f3810fb5a7536bbf732a7b07389a47b5",  # the commit with 294 train and 14 validation files of Parquet
    patterns=("data/train-*.parquet", "data/validation-*.parquet"),
    size_bytes=1.5e11,
    gated=True,
)
