"""What a dataset offers to the rest of the bench."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dlth_bench.datasets.splits import Split
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.samples import SampleCatalog

if TYPE_CHECKING:  # numpy takes a fifth of the command line's start
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.datasets.packed.images import PackedImages
    from dlth_bench.datasets.token_sequences import TokenSequences


@dataclass(frozen=True)
class ImageArrays:
    """Samples of one split in memory; large images of different sizes stay on disk.

    images: uint8 (samples, channels, height, width), or as many `PackedImages` or, of texts, `TokenSequences`
    labels: int64 (samples,), positions in the *requested* class list, not in the catalog
    sample_ids: (samples,) stable across machines and versions of the dataset's manifest
    """

    images: npt.NDArray[np.uint8] | PackedImages | TokenSequences
    labels: npt.NDArray[np.int64]
    sample_ids: tuple[str, ...]

    def only(self, sample_ids: Collection[str]) -> ImageArrays:
        """The given samples, in the order that they have here and not in the given one.

        Raises:
            InputError: one of them is not here.
        """
        wanted = frozenset(sample_ids)
        stray = wanted.difference(self.sample_ids)
        if stray:
            raise InputError(f"{quoted(min(stray), 120)} is not among the samples")
        rows = [row for row, sample_id in enumerate(self.sample_ids) if sample_id in wanted]
        return ImageArrays(self.images[rows], self.labels[rows], tuple(self.sample_ids[row] for row in rows))


class ImageDataset(Protocol):
    """A named, versioned image dataset with ordered classes."""

    name: str
    image_size: int
    channels: int

    @property
    def catalog(self) -> ClassCatalog: ...

    @property
    def manifest_digest(self) -> str:
        """SHA-256 over what the samples are; a result is comparable only within one digest."""
        ...

    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays:
        """The samples of the given classes, class by class in the given order.

        ``images_per_class`` keeps the first so many of each class (None: all).
        """
        ...

    def samples(self, images_per_class: int | None = None) -> SampleCatalog:
        """The training samples, class by class in the catalog's order; the first so many of each class (None: all)."""
        ...


class TextDataset(ABC):
    """A named, versioned dataset of texts with ordered classes; what it shares with `ImageDataset` means the same."""

    name: str

    @property
    @abstractmethod
    def catalog(self) -> ClassCatalog: ...

    @property
    @abstractmethod
    def manifest_digest(self) -> str: ...

    @property
    @abstractmethod
    def vocabulary_size(self) -> int:
        """How many token IDs there are, from 0."""

    @abstractmethod
    def load(self, split: Split, class_ids: Sequence[str], images_per_class: int | None = None) -> ImageArrays: ...

    @abstractmethod
    def samples(self, images_per_class: int | None = None) -> SampleCatalog: ...


Dataset = ImageDataset | TextDataset
