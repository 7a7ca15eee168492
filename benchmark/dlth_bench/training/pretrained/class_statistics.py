"""What a model says of each class, summed batch by batch: right answers, mean features. Memory does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.training.pretrained.images import Batch

Apply = Callable[[Tensor], Tensor]
"""From a batch of images to scores or features (batch, width)."""


@dataclass(frozen=True)
class ClassCounts:
    """Images of each class that the model was right on, and all of them; int64 (classes,)."""

    correct: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]


@torch.inference_mode()
def count_correct(scores: Apply, batches: Iterable[Batch], catalog: ClassCatalog, device: torch.device) -> ClassCounts:
    """How often the highest score of an image is at its label; output k of the model is class k of the catalog.

    Raises:
        InputError: the model has another number of outputs, or a class has no image.
    """
    classes = len(catalog)
    correct, total = torch.zeros(classes, dtype=torch.int64), torch.zeros(classes, dtype=torch.int64)
    for images, labels in batches:
        found = scores(images.to(device))
        if found.ndim != 2 or found.shape[1] != classes:
            outputs = "x".join(map(str, found.shape[1:]))
            raise InputError(f"--model: has {outputs} outputs; a classifier of {catalog.dataset} has {classes}")
        if not torch.isfinite(found).all():
            raise InputError("--model: gives scores that are NaN or infinite; are its weights whole?")
        right = labels[found.argmax(1).cpu() == labels]
        correct += torch.bincount(right, minlength=classes)
        total += torch.bincount(labels, minlength=classes)
    _check_none_is_empty(total, catalog)
    return ClassCounts(correct.numpy(), total.numpy())


@torch.inference_mode()
def mean_features(
    encode: Apply, batches: Iterable[Batch], catalog: ClassCatalog, device: torch.device
) -> npt.NDArray[np.float32]:
    """The mean feature of the images of each class, (classes, width), summed in double precision.

    Features are averaged as the model gives them, not scaled to unit length first: section 3.3 of the DLTH paper takes
    the average feature of a class's validation images and mentions no normalisation.

    Raises:
        InputError: the encoder gives no flat features, or NaN or infinity, or a class has no image.
    """
    classes = len(catalog)
    sums, total = torch.zeros(0), torch.zeros(classes, dtype=torch.int64)
    for images, labels in batches:
        features = encode(images.to(device)).cpu().double()
        if features.ndim != 2:
            shape = "x".join(map(str, features.shape[1:]))
            raise InputError(f"--model: gives features of shape {shape} an image, not one vector")
        if not torch.isfinite(features).all():
            raise InputError("--model: gives features that are NaN or infinite; are its weights whole?")
        if not len(sums):
            sums = torch.zeros(classes, features.shape[1], dtype=torch.float64)
        sums.index_add_(0, labels, features)
        total += torch.bincount(labels, minlength=classes)
    _check_none_is_empty(total, catalog)
    return (sums / total[:, None]).float().numpy()


def _check_none_is_empty(total: Tensor, catalog: ClassCatalog) -> None:
    empty = torch.nonzero(total == 0).flatten().tolist()
    if empty:
        shown = ", ".join(catalog.ids[index] for index in empty[:5]) + (", ..." if len(empty) > 5 else "")
        raise InputError(f"{len(empty)} classes have no image that can be read: {shown}")
