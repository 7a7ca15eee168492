"""Images in batches for a pretrained model, from files or from memory; unreadable ones are left out and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.datasets.class_folders import LabelledFiles
from dlth_bench.datasets.dataset import ImageArrays, ImageDataset
from dlth_bench.protocols.methods import Features, LinearSpec
from dlth_bench.runs.run import Run
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.evaluation import BATCH, extract_features
from dlth_bench.training.methods import build_method
from dlth_bench.training.pretrained.models import Transform
from dlth_bench.training.views.augment import Pixels
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable

ImageBatch = tuple[Tensor, Tensor]
"""Images (batch, 3, height, width) and int64 labels (batch,)."""


class ImageSet(Protocol):
    """Labelled images that are opened one at a time."""

    @property
    def labels(self) -> Sequence[int]: ...

    def name(self, index: int) -> str: ...

    def open(self, index: int) -> Image.Image:
        """In RGB; raises whatever a decoder raises for what it cannot read."""


@dataclass(frozen=True)
class FileImages:
    """Image files."""

    paths: Sequence[Path]
    labels: Sequence[int]

    @classmethod
    def of(cls, files: LabelledFiles) -> FileImages:
        return cls(files.paths, files.labels)

    def name(self, index: int) -> str:
        return str(self.paths[index])

    def open(self, index: int) -> Image.Image:
        with Image.open(self.paths[index]) as image:
            return image.convert("RGB")


@dataclass(frozen=True)
class GreyImages:
    """Grey images of an array (samples, 1, height, width), uint8; as RGB, all three channels are the grey one.

    Raises:
        InputError: the images are packed, of different sizes; an ImageFolder serves those.
    """

    arrays: ImageArrays

    @property
    def labels(self) -> Sequence[int]:
        return [int(label) for label in self.arrays.labels]

    def name(self, index: int) -> str:
        return self.arrays.sample_ids[index]

    def open(self, index: int) -> Image.Image:
        images = self.arrays.images
        if not isinstance(images, np.ndarray):
            raise InputError("packed images of different sizes cannot be embedded; give their folder with --data-dir")
        return Image.fromarray(images[index, 0]).convert("RGB")


@dataclass
class UnreadableImages:
    """The images left out so far, as ``name (reason)``.

    most: the largest share of all images that may be left out.
    """

    total: int
    most: float
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Take note of one.

        Raises:
            InputError: these are too many now.
        """
        self.names.append(name)
        if len(self.names) > self.most * self.total:
            told = f"{len(self.names)} of {self.total} images cannot be read, more than {self.most:.1%}"
            raise InputError(f"{told}; the first is {printable(self.names[0], 300)}")


class _Prepared(Dataset[tuple[Tensor | None, int, str]]):
    """Each image transformed, or None and why it cannot be read."""

    def __init__(self, images: ImageSet, labels: Sequence[int], transform: Transform) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor | None, int, str]:
        try:
            image = self.images.open(index)
        except Exception as error:  # noqa: BLE001 - decoders raise a dozen kinds of errors for broken bytes
            reason = printable(" ".join(str(error).split()) or type(error).__name__, 120)
            return None, self.labels[index], f"{printable(self.images.name(index))} ({reason})"
        return self.transform(image), self.labels[index], ""


def readable_batches(
    images: ImageSet,
    transform: Transform,
    unreadable: UnreadableImages,
    *,
    batch_size: int,
    workers: int,
    report: Callable[[int], None] = lambda done: None,
) -> Iterator[ImageBatch]:
    """The images in order, in batches of at most ``batch_size``; only ``workers`` + 1 times two of them are in memory.

    Args:
        unreadable: told of the images that are left out.
        workers: processes that read; 0 reads in this one.
        report: is called with the number of images done.

    Raises:
        InputError: too many cannot be read.
    """
    prepared = _Prepared(images, list(images.labels), transform)
    loader = DataLoader(prepared, batch_size=batch_size, num_workers=workers, collate_fn=list)
    done = 0
    for batch in loader:
        for image, _, problem in batch:
            if image is None:
                unreadable.add(problem)
        found = [(image, label) for image, label, _ in batch if image is not None]
        if found:
            yield torch.stack([image for image, _ in found]), torch.tensor([label for _, label in found])
        done += len(batch)
        report(done)


Apply = Callable[[Tensor], Tensor]
"""From a batch of images to scores or features (batch, width)."""


@dataclass(frozen=True)
class ClassCounts:
    """Images of each class that the model was right on, and all of them; int64 (classes,)."""

    correct: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]


@torch.inference_mode()
def count_correct(
    scores: Apply, batches: Iterable[ImageBatch], catalog: ClassCatalog, device: torch.device
) -> ClassCounts:
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
    encode: Apply, batches: Iterable[ImageBatch], catalog: ClassCatalog, device: torch.device
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
    """Images and labels as they are, in batches; ``report`` is called with the number done."""
    images, labels = torch.from_numpy(arrays.images), torch.from_numpy(arrays.labels)
    for start in range(0, len(labels), BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]
        report(min(start + BATCH, len(labels)))
