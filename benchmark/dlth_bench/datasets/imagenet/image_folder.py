"""ImageNet as a folder of JPEG files: ``train/<WordNet ID>/*.JPEG`` and ``val/<WordNet ID>/*.JPEG``."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from dlth_bench.datasets.packed.source import ClassListing, EncodedImage, Wanted
from dlth_bench.datasets.splits import Split
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.quoting import printable, quoted

SUFFIXES = (".jpeg", ".jpg", ".png")

SETTLED_SECONDS = 2.0
"""A folder changed so recently may change again without another time stamp; its listing is not kept."""


class StoredListing(Frozen):
    """A class folder's listing as it was when the folder was last changed."""

    changed: Annotated[int, Field(description="Time stamp of the folder, in nanoseconds.")]
    files: tuple[str, ...]
    sizes: tuple[int, ...]


class ImageFolder:
    """An ImageFolder of some or all classes of ImageNet-1K.

    Args:
        listings: folder in which listings are kept, since those of all 1.3 million files take minutes on some disks;
            None keeps none. A kept one holds as long as the class folder's time stamp.

    Raises:
        InputError: no folder ``train`` or ``val``, or folders in them that are no classes.
    """

    def __init__(self, folder: Path, catalog: ClassCatalog, listings: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.catalog = catalog
        key = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        self.listings = None if listings is None else listings / key
        self._known: dict[tuple[Split, str], tuple[tuple[str, ...], tuple[int, ...]]] = {}
        for split in ("train", "val"):
            self.class_ids(split)

    @property
    def place(self) -> str:
        return str(self.folder)

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over the IDs and file sizes of all images of all classes that are here, in both splits.

        Contents are not read: that would take an hour. A copy with other classes has another digest.
        """
        state = hashlib.sha256(b"image folder\n")
        splits: tuple[Split, ...] = ("train", "val")
        for split in splits:
            for class_id in self.class_ids(split):
                files, sizes = self._files(split, class_id)
                lines = [f"{split}/{class_id}/{Path(f).stem} {size}\n" for f, size in zip(files, sizes, strict=True)]
                state.update("".join(lines).encode(errors="surrogateescape"))
        return state.hexdigest()

    def class_ids(self, split: Split) -> tuple[str, ...]:
        return self._class_folders[split]

    @cached_property
    def _class_folders(self) -> dict[Split, tuple[str, ...]]:
        return {"train": self._classes_in("train"), "val": self._classes_in("val")}

    def _classes_in(self, split: Split) -> tuple[str, ...]:
        root = self.folder / split
        place = printable(str(root))
        if not root.is_dir():
            raise InputError("no such folder; expected train/n01440764/*.JPEG and val/n01440764/*.JPEG", source=place)
        with os.scandir(root) as found:
            names = sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("."))
        known = set(self.catalog.ids)
        strange = [name for name in names if name not in known]
        if strange:
            raise InputError(
                f"{len(strange)} of {len(names)} folders are none of the {len(known)} classes of ImageNet-1K, "
                f"such as {quoted(strange[0])}; expected {self.catalog.id_hint}",
                source=place,
            )
        if not names:
            raise InputError("holds no class folder such as n01440764", source=place)
        return tuple(names)

    def listing(self, split: Split, class_id: str) -> ClassListing:
        files, sizes = self._files(split, class_id)
        names = tuple(Path(file).stem for file in files)
        if not names:
            raise InputError("holds no image", source=printable(str(self.folder / split / class_id)))
        return ClassListing(names, sizes)

    def encoded(self, split: Split, wanted: Wanted) -> Iterator[EncodedImage]:
        for class_id, names in wanted.items():
            files, _ = self._files(split, class_id)
            chosen = frozenset(names)
            for file in files:
                if Path(file).stem in chosen:
                    path = self.folder / split / class_id / file
                    yield EncodedImage(class_id, path.stem, lambda path=path: _read(path))  # type: ignore[misc]

    def _files(self, split: Split, class_id: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names and sizes of a class's image files, sorted by name without suffix."""
        if (split, class_id) not in self._known:
            self._known[split, class_id] = self._listed(split, class_id)
        return self._known[split, class_id]

    def _listed(self, split: Split, class_id: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        folder = self.folder / split / class_id
        place = printable(str(folder))
        try:
            changed = folder.stat().st_mtime_ns
            kept = None if self.listings is None else self.listings / split / f"{class_id}.json"
            stored = None if kept is None else _stored(kept)
            if stored is None or stored.changed != changed:
                stored = StoredListing(changed=changed, **_scanned(folder))
                _check_names(stored.files, place)
                if kept is not None and time.time_ns() - changed > SETTLED_SECONDS * 1e9:
                    write_atomically(kept, stored.model_dump_json().encode())
        except FileNotFoundError:
            raise InputError(f"the class {class_id} has no folder here", source=printable(str(folder.parent))) from None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or 'input/output error'}", source=place) from None
        return stored.files, stored.sizes


def _scanned(folder: Path) -> dict[str, Sequence[str] | Sequence[int]]:
    with os.scandir(folder) as found:
        entries = [entry for entry in found if Path(entry.name).suffix.lower() in SUFFIXES]
    # Hidden files such as ._n01440764_18.JPEG are macOS's and no images.
    files = {entry.name: entry.stat().st_size for entry in entries if not entry.name.startswith(".")}
    ordered = sorted(files, key=lambda file: (Path(file).stem, file))
    return {"files": tuple(ordered), "sizes": tuple(files[file] for file in ordered)}


def _check_names(files: Sequence[str], place: str) -> None:
    stems = [Path(file).stem for file in files]
    for one, other in itertools.pairwise(stems):
        if one == other:
            raise InputError(f"two images are called {quoted(one)}", source=place)
    strange = next((stem for stem in stems if not stem.isprintable() or " " in stem), None)
    if strange is not None:
        raise InputError(
            f"{quoted(strange)} is no name of an image: it has white space or control characters", source=place
        )


def _stored(path: Path) -> StoredListing | None:
    try:
        return StoredListing.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror or 'input/output error'}", source=printable(str(path))
        ) from None
