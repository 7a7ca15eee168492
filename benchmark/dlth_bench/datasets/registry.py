"""The datasets by name. A dataset's reader is imported when its samples are asked for, so that a lookup stays cheap."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import cast

from dlth_bench.datasets.agnews import AGNEWS
from dlth_bench.datasets.catalog import ClassCatalog, SampleCatalog, samples_by_rule
from dlth_bench.datasets.cifar import CIFAR10, CIFAR100
from dlth_bench.datasets.dataset import Dataset, DataSpec, ImageDataset, PackedDataset, TextDataset
from dlth_bench.datasets.download import HubFiles, cache_folder, dataset_folder, located
from dlth_bench.datasets.entry import DatasetEntry, PublishedSize
from dlth_bench.datasets.glyphs.classes import GLYPHS
from dlth_bench.datasets.imagenet.classes import IMAGENET
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Registry, import_attribute

DATASETS: Registry[DatasetEntry] = Registry("dataset", (AGNEWS, CIFAR10, CIFAR100, GLYPHS, IMAGENET))
"""All datasets; another one is a module with an entry, and its place here."""


def dataset_names() -> tuple[str, ...]:
    """All known datasets, sorted."""
    return tuple(sorted(DATASETS))


def class_catalog(name: str) -> ClassCatalog:
    """The classes of a dataset.

    Raises:
        InputError: no such dataset.
    """
    return DATASETS.find(name).catalog()


def dataset_named(name: str) -> Dataset:
    """The images or texts of a dataset.

    Raises:
        InputError: no such dataset, or not to be had.
    """
    return _read(DATASETS.find(name), dataset_folder(name), cache_folder())


@cache
def _read(entry: DatasetEntry, folder: Path | None, cache_folder: Path) -> Dataset:
    """One instance a process and places of its files and of what is packed, so that files are read once."""
    return cast("Dataset", import_attribute(entry.reader)(entry, folder))


def image_dataset(name: str) -> ImageDataset:
    """The images of a dataset.

    Raises:
        InputError: no such dataset, not to be had, or one of texts.
    """
    if DATASETS.find(name).holds == "texts":
        raise InputError(f"{name} has texts; this needs images")
    return cast("ImageDataset", dataset_named(name))


def hub_files(name: str) -> HubFiles:
    """Where a dataset that is not shipped is on the Hub.

    Raises:
        InputError: no such dataset, or one that comes with the package.
    """
    return DATASETS.find(name).hub_files()


def data_at(name: str, folder: Path | None) -> AbstractContextManager[None]:
    """Inside the block, and in processes started there, a dataset lies in ``folder``; None changes nothing.

    Raises:
        InputError: no such dataset or folder, or the dataset comes with the package.
    """
    if folder is not None and DATASETS.find(name).hub is None:
        raise InputError(f"--data-dir: the images of {name} come with the package")
    return located(name, folder)


def is_packed(name: str) -> bool:
    """Whether a dataset's images are large ones of different sizes, which are packed on disk before training.

    Raises:
        InputError: no such dataset.
    """
    return DATASETS.find(name).packed


def protocol_dataset(data: DataSpec) -> Dataset:
    """The images of a protocol's dataset, at the protocol's resolution, or its texts.

    Raises:
        InputError: no such dataset, not to be had, or one whose images have another, fixed size.
    """
    dataset = dataset_named(data.dataset)
    if isinstance(dataset, TextDataset):
        return dataset
    if isinstance(dataset, PackedDataset):
        return dataset.at(data.image_size, data.shorter_side)
    for field, size in (("image_size", data.image_size), ("shorter_side", data.shorter_side)):
        if size not in (None, dataset.image_size):
            raise InputError(f"{field}: {size} pixels; the images of {data.dataset} have {dataset.image_size}")
    return dataset


def sample_catalog(name: str, images_per_class: int | None = None) -> SampleCatalog:
    """The training samples of a dataset that a subset may choose from: the first so many of each class (None: all).

    Raises:
        InputError: no such dataset, or not to be had.
    """
    return _samples(DATASETS.find(name), images_per_class, dataset_folder(name))


@cache
def _samples(entry: DatasetEntry, images_per_class: int | None, folder: Path | None) -> SampleCatalog:
    """Listed once a process and place of the dataset."""
    return dataset_named(entry.name).samples(images_per_class)


def nameable_samples(name: str, images_per_class: int | None = None) -> SampleCatalog:
    """What a list of samples may name, on whatever machine it is checked: downloads nothing and reads no copy.

    Of the shipped dataset these are the samples of `sample_catalog`; of others all that are named by its rule.
    """
    names = DATASETS.find(name).sample_names
    return sample_catalog(name, images_per_class) if names is None else samples_by_rule(class_catalog(name), names)


def published_size(name: str) -> PublishedSize | None:
    """How many samples a dataset has that is not shipped, as its publication says; None: not stated here.

    Raises:
        InputError: no such dataset.
    """
    return DATASETS.find(name).published


def validation_counts(data: DataSpec, class_ids: Sequence[str]) -> tuple[int, ...] | None:
    """How many validation samples each of the classes has; None where the data are not at hand. Downloads nothing.

    Data of another manifest than the protocol's are not these data.
    """
    published = published_size(data.dataset)
    if published is not None:
        return (published.val_of_class,) * len(class_ids)
    dataset = image_dataset(data.dataset)
    if data.manifest_digest not in (None, dataset.manifest_digest):
        return None
    labels = dataset.load("val", class_ids).labels.tolist()
    return tuple(labels.count(label) for label in range(len(class_ids)))


def train_sizes(dataset: str, classes: int, images_per_class: int | None = None) -> tuple[int, ...]:
    """Samples of each of some classes of a dataset, about equally many where they are unequal.

    Args:
        images_per_class: that are taken of each; None: all.

    Raises:
        InputError: no such dataset.
    """
    if images_per_class is not None:
        return (images_per_class,) * classes
    published = published_size(dataset)
    total = len(sample_catalog(dataset)) if published is None else published.train
    each, rest = divmod(round(total * classes / len(class_catalog(dataset))), classes)
    return (each + 1,) * rest + (each,) * (classes - rest)
