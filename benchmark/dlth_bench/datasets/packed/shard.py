"""One shard: the pixels of a class's images in one file, and a line for each image in another.

``<class>.u8`` holds uint8 pixels (height, width, 3), image after image; ``<class>.jsonl`` says where each begins, how
large it is, and its digest. Both only grow. An image's line is written after its pixels, so after a kill at any moment
all lines but an incomplete last one hold; pixels without a line are cut off before the next are added.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from pydantic import Field, ValidationError

from dlth_bench.datasets.catalog import Split
from dlth_bench.util.model import Frozen


class Broken(ValueError):
    """A shard's files do not fit each other."""


class ShardEntry(Frozen):
    """An image of a shard; one that could not be decoded has no pixels."""

    name: str
    encoded_size: int = Field(ge=0, description="Bytes of the file it was decoded from.")
    start: int = Field(0, ge=0, description="Of its pixels in the file, in bytes.")
    height: int = Field(0, ge=0)
    width: int = Field(0, ge=0)
    digest: str = Field("", description="BLAKE2b of its pixels, 128 bits in hex.")
    unreadable: str = Field("", description="Why it could not be decoded.")

    @property
    def end(self) -> int:
        return self.start + 3 * self.height * self.width


@dataclass(frozen=True)
class Decoded:
    """What a shard takes in: pixels (height, width, 3), or why there are none."""

    name: str
    encoded_size: int
    pixels: npt.NDArray[np.uint8] | None
    unreadable: str = ""


class Shard:
    """The images of one class and split. One process may add to it, any number may read it meanwhile."""

    def __init__(self, folder: Path, class_id: str) -> None:
        self.pixels_path = folder / f"{class_id}.u8"
        self.index_path = folder / f"{class_id}.jsonl"
        self._end = 0

    def entries(self) -> dict[str, ShardEntry]:
        """All images by name.

        Raises:
            Broken: a line is no entry, or its pixels are not in the file.
        """
        if not self.index_path.exists():
            return {}
        lines = self.index_path.read_bytes().split(b"\n")[:-1]  # behind the last line break: nothing, or half a line
        try:
            entries = [ShardEntry.model_validate_json(line) for line in lines]
        except ValidationError:
            raise Broken("a line of the index cannot be read") from None
        size = self.pixels_path.stat().st_size if self.pixels_path.exists() else 0
        if any(entry.end > size for entry in entries):
            raise Broken("pixels are missing")
        return {entry.name: entry for entry in entries}

    def open_to_add(self) -> dict[str, ShardEntry]:
        """The images as they stand, after cutting off what a killed process left unfinished.

        Raises:
            Broken: see ``entries``.
        """
        entries = self.entries()
        self._end = max((entry.end for entry in entries.values()), default=0)
        _cut(self.pixels_path, self._end)
        if self.index_path.exists():
            _cut(self.index_path, self.index_path.read_bytes().rfind(b"\n") + 1)
        return entries

    def add(self, images: Iterable[Decoded]) -> None:
        """Append images; their pixels reach the file before their lines do.

        Raises:
            OSError: no space, for one.
        """
        lines = []
        with self.pixels_path.open("ab") as file:
            for image in images:
                entry = self._placed(image)
                if image.pixels is not None:
                    file.write(np.ascontiguousarray(image.pixels).data)
                self._end = max(self._end, entry.end)
                lines.append(entry.model_dump_json(exclude_defaults=True) + "\n")
        with self.index_path.open("ab") as file:
            file.write("".join(lines).encode())

    def _placed(self, image: Decoded) -> ShardEntry:
        if image.pixels is None:
            return ShardEntry(name=image.name, encoded_size=image.encoded_size, unreadable=image.unreadable)
        height, width, _ = image.pixels.shape
        return ShardEntry(
            name=image.name,
            encoded_size=image.encoded_size,
            start=self._end,
            height=height,
            width=width,
            digest=_digest(image.pixels),
        )

    def flush(self) -> None:
        """Have the system write both files to the disk, pixels first."""
        for path in (self.pixels_path, self.index_path):
            with path.open("rb") as file:
                os.fsync(file.fileno())

    def check(self, names: Collection[str]) -> None:
        """Compare the pixels of images with their digests.

        Raises:
            Broken: they differ; names the image.
        """
        entries = self.entries()
        stored = sorted((entries[name] for name in names if not entries[name].unreadable), key=lambda each: each.start)
        if not stored:
            return
        with self.pixels_path.open("rb") as file:
            for entry in stored:
                file.seek(entry.start)
                if _digest(file.read(entry.end - entry.start)) != entry.digest:
                    raise Broken(f"the pixels of {entry.name} are not those that were stored")

    def remove(self) -> None:
        """Delete both files, the index first: pixels alone are nothing."""
        self.index_path.unlink(missing_ok=True)
        self.pixels_path.unlink(missing_ok=True)


def _digest(pixels: npt.NDArray[np.uint8] | bytes) -> str:
    data = pixels if isinstance(pixels, bytes) else np.ascontiguousarray(pixels).data
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _cut(path: Path, size: int) -> None:
    if path.exists() and path.stat().st_size > size:
        os.truncate(path, size)


FORMATS = ("JPEG", "PNG", "BMP", "PPM")
"""What is taken for an image, whatever the file is called: one of ImageNet's JPEGs is a PNG."""


class UnreadableImage(ValueError):
    """The bytes are no whole image; says why."""


@dataclass(frozen=True)
class Resolution:
    """How large images are stored: reduced to ``shorter_side`` pixels; smaller ones are left as they are.

    The reduction is PIL's bicubic one with the longer side cut to whole pixels, as torchvision's ``Resize`` does it on
    PIL images, so an evaluation that resizes to this side and crops the centre sees the pixels it would see anyway.
    """

    shorter_side: int

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Stored width and height of an image."""
        side = self.shorter_side
        if min(width, height) <= side:
            return width, height
        return (side, side * height // width) if width < height else (side * width // height, side)


def decode(encoded: bytes, resolution: Resolution) -> npt.NDArray[np.uint8]:
    """RGB pixels (height, width, 3) of an encoded image, reduced as the resolution says.

    Grey, CMYK and palette images become RGB. Orientation tags are not followed: neither do torchvision's datasets.

    Raises:
        UnreadableImage: the bytes are truncated, corrupt, no image, or one of more pixels than PIL deems safe.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            picture.load()
            rgb = picture.convert("RGB")
    except UnidentifiedImageError:
        raise UnreadableImage("not an image" if encoded else "empty") from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, Image.DecompressionBombError) as error:
        raise UnreadableImage(str(error).partition("\n")[0] or type(error).__name__) from None
    size = resolution.size(*rgb.size)
    return np.asarray(rgb if size == rgb.size else rgb.resize(size, Image.Resampling.BICUBIC))


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
