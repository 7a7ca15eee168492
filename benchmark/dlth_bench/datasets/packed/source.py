"""Where encoded images come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from dlth_bench.datasets.splits import Split

Wanted = Mapping[str, Collection[str]]
"""Names of images by class ID."""


@dataclass(frozen=True)
class ClassListing:
    """The images of one class in one split, sorted by name.

    names: unique in the class, without suffix.
    sizes: of the encoded images in bytes; None where the source does not tell without reading them.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...] | None

    def size_of(self) -> dict[str, int]:
        """Sizes by name; empty when unknown."""
        return {} if self.sizes is None else dict(zip(self.names, self.sizes, strict=True))


@dataclass(frozen=True)
class EncodedImage:
    """One image of a source; ``read`` may be called in any thread, and raises InputError where there is nothing."""

    class_id: str
    name: str
    read: Callable[[], bytes]


class ImageSource(Protocol):
    """A dataset's encoded images by class and name."""

    @property
    def place(self) -> str:
        """Where the images are, for messages and as the identity of what is packed from them."""
        ...

    @property
    def manifest_digest(self) -> str:
        """SHA-256 over the IDs of all images and, as far as the source tells, their sizes."""
        ...

    def class_ids(self, split: Split) -> tuple[str, ...]:
        """The classes that have a place here, sorted."""
        ...

    def listing(self, split: Split, class_id: str) -> ClassListing:
        """The images of a class.

        Raises:
            InputError: the class has none.
        """
        ...

    def encoded(self, split: Split, wanted: Wanted) -> Iterator[EncodedImage]:
        """The wanted images, in whatever order they are read fastest."""
        ...
