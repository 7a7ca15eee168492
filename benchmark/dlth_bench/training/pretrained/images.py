"""Images in batches for a pretrained model, from files or from memory; unreadable ones are left out and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dlth_bench.datasets.base import ImageArrays
from dlth_bench.datasets.class_folders import LabelledFiles
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable
from dlth_bench.training.pretrained.model import Transform

Batch = tuple[Tensor, Tensor]
"""Images (batch, 3, height, width) and int64 labels (batch,)."""


class Images(Protocol):
    """Labelled images that are opened one at a time."""

    @property
    def labels(self) -> Sequence[int]: ...

    def name(self, index: int) -> str: ...

    def open(self, index: int) -> Image.Image:
        """In RGB; raises whatever a decoder raises for what it cannot read."""
        ...


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
class Unreadable:
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

    def __init__(self, images: Images, labels: Sequence[int], transform: Transform) -> None:
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
    images: Images,
    transform: Transform,
    unreadable: Unreadable,
    *,
    batch_size: int,
    workers: int,
    report: Callable[[int], None] = lambda done: None,
) -> Iterator[Batch]:
    """The images in order, in batches of at most ``batch_size``; only ``workers`` + 1 times two of them are in memory.

    Args:
        unreadable: told of the images that are left out.
        workers: processes that read; 0 reads in this one.
        report: hears how many images are done with.

    Raises:
        InputError: too many cannot be read.
    """
    prepared = _Prepared(images, list(images.labels), transform)
    loader = DataLoader(prepared, batch_size=batch_size, num_workers=workers, collate_fn=_as_it_is)
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


def _as_it_is(samples: list[tuple[Tensor | None, int, str]]) -> list[tuple[Tensor | None, int, str]]:
    return samples
