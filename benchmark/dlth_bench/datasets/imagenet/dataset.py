"""The images of ImageNet-1K, from a folder of JPEG or Parquet files or from the Hub."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlth_bench.datasets.catalog import ClassCatalog, SampleCatalog, Split
from dlth_bench.datasets.dataset import ImageArrays
from dlth_bench.datasets.download import cache_folder
from dlth_bench.datasets.entry import DatasetEntry
from dlth_bench.datasets.imagenet.classes import imagenet_catalog
from dlth_bench.datasets.imagenet.sources import ImageFolder, ParquetImages
from dlth_bench.datasets.packed.cache import PackedCache, PackedImages
from dlth_bench.datasets.packed.shard import ClassListing, ImageSource, Resolution
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import listed

STORED_SHARE = 256 / 224
"""Shorter side of the stored images to the side of what methods see, unless the protocol says otherwise."""


class ImageNet:
    """ImageNet-1K, or those of its classes that are at hand, packed at one resolution.

    Args:
        source: of the encoded images.
        cache: folder of what is packed.
        image_size: side in pixels of what methods see.
        shorter_side: to which images are reduced before all else; None: 256 for images of 224, and in proportion.
    """

    name = "imagenet"
    channels = 3

    def __init__(
        self, source: ImageSource, cache: Path, *, image_size: int = 224, shorter_side: int | None = None
    ) -> None:
        self.source = source
        self.image_size = image_size
        self._cache = cache
        resolution = Resolution(shorter_side or round(image_size * STORED_SHARE))
        self._packed = PackedCache(cache, self.name, source, resolution)

    def at(self, image_size: int | None, shorter_side: int | None) -> ImageNet:
        """The same images at another resolution."""
        return ImageNet(self.source, self._cache, image_size=image_size or self.image_size, shorter_side=shorter_side)

    @property
    def catalog(self) -> ClassCatalog:
        return imagenet_catalog()

    @property
    def manifest_digest(self) -> str:
        """SHA-256 over the IDs and sizes of the images, of all classes at hand; see the source for what sizes."""
        return self.source.manifest_digest

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The images of the given classes, class by class in the given order and by name; only names are read.

        IDs are like ``n01440764/n01440764_10026``. ``images_per_class`` keeps the first so many of each class.

        Raises:
            InputError: a class is none of the catalog's or not at hand, or ``images_per_class`` is not positive.
        """
        ids = [self.catalog.ids[self.catalog.position(spelling)] for spelling in class_ids]
        self._check_at_hand(split, ids)
        names = [self._names(split, class_id, images_per_class) for class_id in ids]
        keys = tuple((class_id, name) for class_id, own in zip(ids, names, strict=True) for name in own)
        labels = np.repeat(np.arange(len(ids), dtype=np.int64), [len(own) for own in names])
        return ImageArrays(PackedImages(self._packed, split, keys), labels, tuple(map("/".join, keys)))

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training images of the classes at hand; see ``load``."""
        at_hand = set(self.source.class_ids("train"))
        ids = self.catalog.ids
        names = [self._names("train", each, images_per_class) if each in at_hand else () for each in ids]
        sample_ids = tuple(f"{class_id}/{name}" for class_id, own in zip(ids, names, strict=True) for name in own)
        labels = array("i", (label for label, own in enumerate(names) for _ in own))
        return SampleCatalog(self.name, sample_ids, labels, ids, images_per_class)

    def _names(self, split: Split, class_id: str, images_per_class: int | None) -> tuple[str, ...]:
        if images_per_class is not None and images_per_class < 1:
            raise InputError(f"images_per_class is {images_per_class}; it must be at least 1")
        listing: ClassListing = self.source.listing(split, class_id)
        return listing.names[:images_per_class]

    def _check_at_hand(self, split: Split, class_ids: Sequence[str]) -> None:
        at_hand = set(self.source.class_ids(split))
        missing = [class_id for class_id in class_ids if class_id not in at_hand]
        if missing:
            shown = listed(missing, 5)
            message = f"lacks {len(missing)} of the {len(class_ids)} classes to be read from {split}: {shown}"
            raise InputError(message, source=self.source.place)


def read_imagenet(entry: DatasetEntry, folder: Path | None) -> ImageNet:
    """ImageNet from a folder; None: from the Hub.

    Raises:
        InputError: it is neither there nor to be had.
    """
    cache = cache_folder()
    return ImageNet(source_in(folder or entry.hub_files().folder(), cache), cache)


def source_in(folder: Path, cache: Path) -> ImageSource:
    """The images in a folder, in whichever form.

    Raises:
        InputError: no such folder, or it holds neither form.
    """
    if not folder.is_dir():
        raise InputError("is a file, not a folder" if folder.exists() else "no such folder", source=folder)
    if (folder / "train").is_dir() or (folder / "val").is_dir():
        return ImageFolder(folder, imagenet_catalog(), cache / "listings")
    if any(True for place in (folder, folder / "data") for _ in place.glob("*.parquet")):
        return ParquetImages(folder, imagenet_catalog())
    message = (
        "holds neither train/n01440764/*.JPEG and val/n01440764/*.JPEG nor train-*.parquet and validation-*.parquet"
    )
    raise InputError(message, source=folder)
