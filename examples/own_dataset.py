"""A dataset of one's own: scikit-learn's handwritten digits, a grid on them, its reference, and the score of a subset.

    python examples/own_dataset.py --store digits-runs

A dataset is an entry of the table `DATASETS` and a reader, here both in this file. The entry is registered when the
file is imported, so that the processes that train know it, too.
"""

from __future__ import annotations

import argparse
import hashlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits

import dlth_bench
from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, SampleCatalog, Split
from dlth_bench.datasets.dataset import ImageArrays
from dlth_bench.datasets.entry import DatasetEntry
from dlth_bench.datasets.registry import DATASETS
from dlth_bench.subsets.subset import Subset

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VALIDATION = 50
"""Images of each class, the last ones, that training never sees."""

GRID = """
name: digits-tuning
version: 1
title: Learning rate and width on handwritten digits
budget: epochs
seeds: [0, 1, 2]
data: {dataset: digits, pixel_mean: [0.3], pixel_std: [0.35]}
subset: {minimum: 3, maximum: 6}
x-anchors:
  - &narrow {kind: resnet, widths: [4, 8], blocks: [1, 1]}
  - &wide {kind: resnet, widths: [16, 32], blocks: [1, 1]}
  - &method {kind: supervised, augment: {crop_scale: [0.7, 1.0]}}
  - &slow {duration: {epochs: 8}, batch_size: 32, optimizer: {kind: sgd, lr: 0.01}}
  - &fast {duration: {epochs: 8}, batch_size: 32, optimizer: {kind: sgd, lr: 0.1}}
configs:
  - {name: slow-narrow, title: "slow, narrow", backbone: *narrow, method: *method, train: *slow}
  - {name: fast-narrow, title: "fast, narrow", backbone: *narrow, method: *method, train: *fast}
  - {name: slow-wide, title: "slow, wide", backbone: *wide, method: *method, train: *slow}
  - {name: fast-wide, title: "fast, wide", backbone: *wide, method: *method, train: *fast}
"""


def digits_catalog() -> ClassCatalog:
    """The ten classes: IDs ``0`` to ``9``, names in words."""
    classes = tuple(ClassInfo(str(digit), name, (name,)) for digit, name in enumerate(NAMES))
    return ClassCatalog("digits", "a digit such as 7", classes)


class Digits:
    """1,797 grey images of 8x8 pixels; samples are called like ``7/00012``."""

    name = "digits"
    image_size = 8
    channels = 1

    def __init__(self) -> None:
        found = load_digits()
        pixels = (found.images * (255 / 16)).round().astype(np.uint8)[:, None]
        self._classes = [pixels[found.target == digit] for digit in range(len(NAMES))]

    @property
    def catalog(self) -> ClassCatalog:
        return digits_catalog()

    @property
    def manifest_digest(self) -> str:
        """SHA-256 over all pixels: results on other images are not mixed with these."""
        return hashlib.sha256(b"".join(images.tobytes() for images in self._classes)).hexdigest()

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The images of the classes, class by class; labels are positions in ``class_ids``."""
        each = [self._split(split, self.catalog.position(class_id))[:images_per_class] for class_id in class_ids]
        labels = np.repeat(np.arange(len(each), dtype=np.int64), [len(images) for images in each])
        named = zip(class_ids, each, strict=True)
        ids = tuple(f"{class_id}/{row:05}" for class_id, images in named for row in range(len(images)))
        return ImageArrays(np.concatenate(each), labels, ids)

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training samples, class by class."""
        found = self.load("train", self.catalog.ids, images_per_class)
        return SampleCatalog(
            self.name, found.sample_ids, array("i", found.labels.tolist()), self.catalog.ids, images_per_class
        )

    def _split(self, split: Split, digit: int) -> np.ndarray:
        images = self._classes[digit]
        return images[:-VALIDATION] if split == "train" else images[-VALIDATION:]


def read_digits(entry: DatasetEntry, folder: Path | None) -> Digits:
    """The reader that the entry names; these images come with scikit-learn, wherever other datasets lie."""
    return Digits()


DATASETS.register(
    DatasetEntry(
        name="digits", title="Digits", holds="images", catalog=digits_catalog, reader=f"{__name__}:read_digits"
    )
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="digits-runs", help="folder of the store of runs")
    parser.add_argument("--classes", nargs="+", default=["1", "3", "7", "8"])
    asked = parser.parse_args()

    with TemporaryDirectory() as folder:
        path = Path(folder) / "digits-tuning.yaml"
        path.write_text(GRID)
        grid = dlth_bench.load_protocol(path)
    reference = dlth_bench.reference(grid, store=asked.store)
    grid = grid.model_copy(update={"reference": reference})
    card = dlth_bench.run(Subset(dataset="digits", ids=tuple(sorted(asked.classes))), grid, store=asked.store)
    for config in card.configs:
        print(f"{config.title}: {config.mean:.3f} on the subset, {config.reference_mean:.3f} on all classes")
    print(f"rank correlation {card.spearman.value:.2f}, noise ceiling {card.spearman.ceiling:.2f}")


if __name__ == "__main__":
    main()
