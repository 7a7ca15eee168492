"""The datasets by name. A dataset's code is imported when it is asked for, so that a lookup stays cheap."""

from __future__ import annotations

import difflib
from functools import cache

from dlth_bench.datasets.base import ImageDataset
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted

_DATASETS = ("cifar100", "glyphs", "imagenet")


def dataset_names() -> tuple[str, ...]:
    """All known datasets, sorted."""
    return _DATASETS


def class_catalog(name: str) -> ClassCatalog:
    """The classes of a dataset.

    Raises:
        InputError: no such dataset.
    """
    _check(name)
    if name == "cifar100":
        from dlth_bench.datasets.cifar100 import cifar100_catalog

        return cifar100_catalog()
    if name == "glyphs":
        return _glyphs().catalog
    from dlth_bench.datasets.imagenet import imagenet_catalog

    return imagenet_catalog()


def image_dataset(name: str) -> ImageDataset:
    """The images of a dataset.

    Raises:
        InputError: no such dataset, or one of which this version has the classes but not the images.
    """
    _check(name)
    if name == "cifar100":
        from dlth_bench.datasets.cifar100.dataset import cifar100

        return cifar100()
    if name == "glyphs":
        return _glyphs()
    raise InputError(f"the images of {name} are not readable by this version, only its class list is")


def published_train_images(name: str) -> int | None:
    """How many training images a dataset has that is not shipped, as its publication says; None: not stated here."""
    # ILSVRC 2012: Russakovsky et al. 2015 (arXiv:1409.0575), table 2.
    return {"imagenet": 1_281_167}.get(name)


@cache
def _glyphs() -> ImageDataset:
    """One instance a process, so that its files are read once."""
    from dlth_bench.datasets.glyphs import Glyphs

    return Glyphs()


def _check(name: str) -> None:
    if name in _DATASETS:
        return
    near = difflib.get_close_matches(name, _DATASETS, n=1)
    guess = f"; did you mean {quoted(near[0])}?" if near else ""
    raise InputError(f"unknown dataset {quoted(name)}, valid are {', '.join(_DATASETS)}{guess}")
