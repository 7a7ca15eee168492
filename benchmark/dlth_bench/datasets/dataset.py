"""What a dataset offers to the rest of the bench."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self, TypeVar, TypeVarTuple, runtime_checkable

from pydantic import Field, model_validator

from dlth_bench.datasets.catalog import ClassCatalog, SampleCatalog, Split
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Digest, Frozen
from dlth_bench.util.text import quoted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.datasets.packed.cache import PackedImages
    from dlth_bench.datasets.tokens import TokenSequences


Owner = TypeVar("Owner")
Value = TypeVar("Value")
Given = TypeVarTuple("Given")


def kept(method: Callable[[Owner, *Given], Value]) -> Callable[[Owner, *Given], Value]:
    """Compute a method once for each object and arguments, as ``cached_property`` does where there are none."""
    name = f"_kept_{method.__name__}"

    @wraps(method)
    def once(self: Owner, *given: *Given) -> Value:
        values: dict[Any, Value] = self.__dict__.setdefault(name, {})
        if given not in values:
            values[given] = method(self, *given)
        return values[given]

    return once


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


class LabelledDataset(Protocol):
    """A named, versioned dataset with ordered classes."""

    name: str

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


class ImageDataset(LabelledDataset, Protocol):
    """A dataset of images."""

    image_size: int
    channels: int


@runtime_checkable
class PackedDataset(ImageDataset, Protocol):
    """Large images of different sizes, which are packed on disk at the resolution that a protocol asks for."""

    def at(self, image_size: int | None, shorter_side: int | None) -> ImageDataset:
        """The same images at another resolution; see `DataSpec`."""
        ...


class TextDataset(LabelledDataset):
    """A dataset of texts."""

    @property
    @abstractmethod
    def vocabulary_size(self) -> int:
        """How many token IDs there are, from 0."""


Dataset = ImageDataset | TextDataset


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""The name of a dataset, protocol or config."""

ImagesPerClass = Annotated[
    int | None, Field(gt=0, description="Training samples a class, the first in the dataset's order; None: all.")
]


class DataSpec(Frozen):
    """Which samples a protocol trains on and evaluates on."""

    dataset: Slug
    manifest_digest: Digest | None = Field(
        None,
        description="SHA-256 of the dataset's manifest; None: the result records the digest found.",
    )
    images_per_class: ImagesPerClass = None
    image_size: int | None = Field(
        None, gt=0, description="Side in pixels of the images that methods see; None: the dataset's own, or 224."
    )
    shorter_side: int | None = Field(
        None, gt=0, description="To which larger images are reduced before all else; None: 8/7 of image_size."
    )
    pixel_mean: tuple[float, ...] = Field(
        (), description="Subtracted from pixels in [0, 1], a value a channel; none of texts."
    )
    pixel_std: tuple[float, ...] = Field((), description="Divides pixels after that, a value a channel.")

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        if len(self.pixel_mean) != len(self.pixel_std):
            raise ValueError("pixel_mean and pixel_std have a value a channel, so equally many")
        return self
