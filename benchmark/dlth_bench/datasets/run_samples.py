"""The samples that a run trains on and is evaluated on."""

from __future__ import annotations

from dlth_bench.datasets.base import Dataset, ImageArrays
from dlth_bench.spec.run import Run


def run_samples(dataset: Dataset, run: Run) -> tuple[ImageArrays, ImageArrays]:
    """Training and validation samples of a run; all validation samples of its classes.

    Raises:
        InputError: the dataset lacks some.
    """
    train = dataset.load("train", run.class_ids, run.data.images_per_class)
    if run.sample_ids is not None:
        train = train.only(run.sample_ids)
    return train, dataset.load("val", run.class_ids)
