"""How many training samples classes have, told without reading data that are not shipped."""

from __future__ import annotations

from dlth_bench.datasets.registry import class_catalog, published_train_images, sample_catalog


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
