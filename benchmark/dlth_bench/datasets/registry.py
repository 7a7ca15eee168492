"""The datasets by name. A dataset's code is imported when it is asked for, so that a lookup stays cheap."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dlth_bench.datasets.catalog import PUBLISHED, ClassCatalog, SampleCatalog
from dlth_bench.datasets.dataset import Dataset, DataSpec, ImageDataset, TextDataset
from dlth_bench.datasets.download import HubFiles, dataset_folder
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted

_DATASETS = ("agnews", "cifar10", "cifar100", "glyphs", "imagenet")


def dataset_names() -> tuple[str, ...]:
    """All known datasets, sorted."""
    return _DATASETS


def class_catalog(name: str) -> ClassCatalog:
    """The classes of a dataset.

    Raises:
        InputError: no such dataset.
    """
    _check(name)
    if name == "agnews":
        from dlth_bench.datasets.label_catalogs import agnews_catalog

        return agnews_catalog()
    if name == "cifar10":
        from dlth_bench.datasets.label_catalogs import cifar10_catalog

        return cifar10_catalog()
    if name == "cifar100":
        from dlth_bench.datasets.label_catalogs import cifar100_catalog

        return cifar100_catalog()
    if name == "glyphs":
        return _glyphs().catalog
    from dlth_bench.datasets.imagenet.classes import imagenet_catalog

    return imagenet_catalog()


def dataset_named(name: str) -> Dataset:
    """The images or texts of a dataset.

    Raises:
        InputError: no such dataset, or not to be had.
    """
    if name == "agnews":
        from dlth_bench.datasets.agnews import agnews

        return agnews()
    return image_dataset(name)


def image_dataset(name: str) -> ImageDataset:
    """The images of a dataset.

    Raises:
        InputError: no such dataset, not to be had, or one of texts.
    """
    _check(name)
    if name == "agnews":
        raise InputError("agnews has texts; this needs images")
    if name == "cifar10":
        from dlth_bench.datasets.cifar import cifar10

        return cifar10()
    if name == "cifar100":
        from dlth_bench.datasets.cifar import cifar100

        return cifar100()
    if name == "glyphs":
        return _glyphs()
    from dlth_bench.datasets.imagenet.dataset import imagenet

    return imagenet()


def hub_files(name: str) -> HubFiles:
    """Where a dataset that is not shipped is on the Hub.

    Raises:
        InputError: no such dataset, or one that comes with the package.
    """
    _check(name)
    if name == "agnews":
        from dlth_bench.datasets import agnews as agnews_files

        return agnews_files.HUB
    if name == "cifar10":
        from dlth_bench.datasets.cifar import CIFAR10_HUB

        return CIFAR10_HUB
    if name == "cifar100":
        from dlth_bench.datasets.cifar import CIFAR100_HUB

        return CIFAR100_HUB
    if name == "glyphs":
        raise InputError("glyphs comes with the package")
    from dlth_bench.datasets.imagenet import dataset as imagenet_files

    return imagenet_files.HUB


def is_packed(name: str) -> bool:
    """Whether a dataset's images are large ones of different sizes, which are packed on disk before training."""
    return name == "imagenet"


def protocol_dataset(data: DataSpec) -> Dataset:
    """The images of a protocol's dataset, at the protocol's resolution, or its texts.

    Raises:
        InputError: no such dataset, not to be had, or one whose images have another, fixed size.
    """
    if is_packed(data.dataset):
        from dlth_bench.datasets.imagenet.dataset import imagenet

        return imagenet().at(data.image_size, data.shorter_side)
    dataset = dataset_named(data.dataset)
    if isinstance(dataset, TextDataset):
        return dataset
    for field, size in (("image_size", data.image_size), ("shorter_side", data.shorter_side)):
        if size not in (None, dataset.image_size):
            raise InputError(f"{field}: {size} pixels; the images of {data.dataset} have {dataset.image_size}")
    return dataset


def sample_catalog(name: str, images_per_class: int | None = None) -> SampleCatalog:
    """The training samples of a dataset that a subset may choose from: the first so many of each class (None: all).

    Raises:
        InputError: no such dataset, or one of which this version has the classes but not the images.
    """
    return _samples(name, images_per_class, dataset_folder(name))


def nameable_samples(name: str, images_per_class: int | None = None) -> SampleCatalog:
    """What a list of samples may name, on whatever machine it is checked: reads and downloads no data of others.

    Of the shipped dataset these are the samples of `sample_catalog`; of others all that are named by its rule.
    """
    if name not in PUBLISHED:
        return sample_catalog(name, images_per_class)
    from dlth_bench.datasets.catalog import samples_by_rule

    return samples_by_rule(class_catalog(name))


@cache
def _samples(name: str, images_per_class: int | None, folder: Path | None) -> SampleCatalog:
    """Once a process and place of the dataset."""
    return dataset_named(name).samples(images_per_class)


def published_train_images(name: str) -> int | None:
    """How many training samples a dataset has that is not shipped, as its publication says; None: not stated here."""
    return PUBLISHED[name].train if name in PUBLISHED else None


def validation_counts(data: DataSpec, class_ids: Sequence[str]) -> tuple[int, ...] | None:
    """How many validation samples each of the classes has; None where the data are not at hand. Downloads nothing.

    Data of another manifest than the protocol's are not these data.
    """
    if data.dataset in PUBLISHED:
        return (PUBLISHED[data.dataset].val_of_class,) * len(class_ids)
    dataset = image_dataset(data.dataset)
    if data.manifest_digest not in (None, dataset.manifest_digest):
        return None
    labels = dataset.load("val", class_ids).labels.tolist()
    return tuple(labels.count(label) for label in range(len(class_ids)))


@cache
def _glyphs() -> ImageDataset:
    """One instance a process, so that its files are read once."""
    from dlth_bench.datasets.glyphs.dataset import Glyphs

    return Glyphs()


def _check(name: str) -> None:
    if name in _DATASETS:
        return
    near = difflib.get_close_matches(name, _DATASETS, n=1)
    guess = f"; did you mean {quoted(near[0])}?" if near else ""
    raise InputError(f"unknown dataset {quoted(name)}, valid are {', '.join(_DATASETS)}{guess}")


def train_sizes(dataset: str, classes: int, images_per_class: int | None = None) -> tuple[int, ...]:
    """Samples of each of some classes of a dataset, about equally many where they are unequal.

    Args:
        images_per_class: that are taken of each; None: all.

    Raises:
        InputError: no such dataset.
    """
    if images_per_class is not None:
        return (images_per_class,) * classes
    total = published_train_images(dataset)
    total = len(sample_catalog(dataset)) if total is None else total
    each, rest = divmod(round(total * classes / len(class_catalog(dataset))), classes)
    return (each + 1,) * rest + (each,) * (classes - rest)
