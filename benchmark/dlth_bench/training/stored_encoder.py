"""The pretrained encoder of a stored run, and the features that its evaluation sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from dlth_bench.datasets.base import ImageArrays, ImageDataset
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.method import Features, LinearSpec
from dlth_bench.spec.run import Run
from dlth_bench.training.augment import Pixels
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.evaluation.accuracy import BATCH
from dlth_bench.training.evaluation.linear import extract_features
from dlth_bench.training.methods import build_method


def features_of_run(run: Run) -> Features:
    """Which features stand for an image: those of the run's linear probe, else the encoder's pooled output."""
    return run.config.evaluation.features if isinstance(run.config.evaluation, LinearSpec) else "pooled"


def load_stored_encoder(
    run: Run, path: Path, dataset: ImageDataset, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """From uint8 images (batch, channels, height, width) to ``features_of_run`` (batch, width).

    Raises:
        InputError: no whole file of this run's encoder at ``path``, or the installed dataset is another than the run's.
    """
    if dataset.manifest_digest != run.data.manifest_digest:
        raise InputError(f"the installed dataset {dataset.name} is not the one that the run was trained on")
    if not path.is_file():
        raise InputError("no such file: the run was trained without --keep-weights", source=path)
    loaded = load_tensors(path)
    if loaded is None or loaded[1].get("run") != run.digest:
        raise InputError("is not the encoder of this run", source=path)
    pixels = Pixels(dataset.image_size, run.data.pixel_mean, run.data.pixel_std)
    encoder = build_method(run.config, pixels=pixels, classes=len(run.class_ids)).encoder
    try:
        encoder.load_state_dict(loaded[0])
    except RuntimeError:
        raise InputError("does not fit the backbone of this run", source=path) from None
    encoder.to(device)
    kind = features_of_run(run)
    return lambda images: extract_features(encoder, images, pixels, kind)


def array_batches(arrays: ImageArrays, report: Callable[[int], None]) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels as they are, in batches; ``report`` hears how many are done with."""
    images, labels = torch.from_numpy(arrays.images), torch.from_numpy(arrays.labels)
    for start in range(0, len(labels), BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]
        report(min(start + BATCH, len(labels)))
