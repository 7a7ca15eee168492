"""ImageNet as Parquet files: ``train-*.parquet`` and ``validation-*.parquet``, as ``datasets`` writes them.

Columns: ``image``, a struct of ``bytes`` (an encoded image) and ``path`` (its file name, on the Hub
``n01440764_10026_n01440764.JPEG``); ``label``, an index into the sorted WordNet IDs. Labels and names are read first,
then only the row groups that hold a wanted image.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field, ValidationError

from dlth_bench.datasets.catalog import ClassCatalog, Split
from dlth_bench.datasets.dataset import kept
from dlth_bench.datasets.packed.shard import ClassListing, EncodedImage, Wanted
from dlth_bench.datasets.parquet import label_names, opened
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.model import Frozen
from dlth_bench.util.text import quoted

SUFFIXES = (".jpeg", ".jpg", ".png")

SETTLED_SECONDS = 2.0
"""A folder changed so recently may change again without another time stamp; its listing is not kept."""


class StoredListing(Frozen):
    """A class folder's listing as it was when the folder was last changed."""

    changed: int = Field(description="Time stamp of the folder, in nanoseconds.")
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

    @kept
    def class_ids(self, split: Split) -> tuple[str, ...]:
        root = self.folder / split
        if not root.is_dir():
            raise InputError("no such folder; expected train/n01440764/*.JPEG and val/n01440764/*.JPEG", source=root)
        with os.scandir(root) as found:
            names = sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("."))
        known = set(self.catalog.ids)
        strange = [name for name in names if name not in known]
        if strange:
            raise InputError(
                f"{len(strange)} of {len(names)} folders are none of the {len(known)} classes of ImageNet-1K, "
                f"such as {quoted(strange[0])}; expected {self.catalog.id_hint}",
                source=root,
            )
        if not names:
            raise InputError("holds no class folder such as n01440764", source=root)
        return tuple(names)

    def listing(self, split: Split, class_id: str) -> ClassListing:
        files, sizes = self._files(split, class_id)
        names = tuple(Path(file).stem for file in files)
        if not names:
            raise InputError("holds no image", source=self.folder / split / class_id)
        return ClassListing(names, sizes)

    def encoded(self, split: Split, wanted: Wanted) -> Iterator[EncodedImage]:
        for class_id, names in wanted.items():
            files, _ = self._files(split, class_id)
            chosen = frozenset(names)
            for file in files:
                if Path(file).stem in chosen:
                    path = self.folder / split / class_id / file
                    yield EncodedImage(class_id, path.stem, lambda path=path: _read(path))  # type: ignore[misc]

    @kept
    def _files(self, split: Split, class_id: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names and sizes of a class's image files, sorted by name without suffix."""
        folder = self.folder / split / class_id
        try:
            changed = folder.stat().st_mtime_ns
            kept = None if self.listings is None else self.listings / split / f"{class_id}.json"
            stored = None if kept is None else _stored(kept)
            if stored is None or stored.changed != changed:
                stored = StoredListing(changed=changed, **_scanned(folder))
                _check_names(stored.files, folder)
                if kept is not None and time.time_ns() - changed > SETTLED_SECONDS * 1e9:
                    write_atomically(kept, stored.model_dump_json().encode())
        except FileNotFoundError:
            raise InputError(f"the class {class_id} has no folder here", source=folder.parent) from None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or 'input/output error'}", source=folder) from None
        return stored.files, stored.sizes


def _scanned(folder: Path) -> dict[str, Sequence[str] | Sequence[int]]:
    with os.scandir(folder) as found:
        entries = [entry for entry in found if Path(entry.name).suffix.lower() in SUFFIXES]
    # Hidden files such as ._n01440764_18.JPEG are macOS's and no images.
    files = {entry.name: entry.stat().st_size for entry in entries if not entry.name.startswith(".")}
    ordered = sorted(files, key=lambda file: (Path(file).stem, file))
    return {"files": tuple(ordered), "sizes": tuple(files[file] for file in ordered)}


def _check_names(files: Sequence[str], folder: Path) -> None:
    stems = [Path(file).stem for file in files]
    for one, other in itertools.pairwise(stems):
        if one == other:
            raise InputError(f"two images are called {quoted(one)}", source=folder)
    strange = next((stem for stem in stems if not stem.isprintable() or " " in stem), None)
    if strange is not None:
        message = f"{quoted(strange)} is no name of an image: it has white space or control characters"
        raise InputError(message, source=folder)


def _stored(path: Path) -> StoredListing | None:
    try:
        return StoredListing.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or 'input/output error'}", source=path) from None


PREFIXES: dict[Split, str] = {"train": "train", "val": "validation"}


@dataclass(frozen=True)
class Rows:
    """The images of one split: by class ID, (file number, row) of each name."""

    files: tuple[Path, ...]
    by_class: dict[str, dict[str, tuple[int, int]]]
    image_bytes: int
    """Of all encoded images together, as the files' metadata say."""


class ParquetImages:
    """ImageNet-1K, or some rows of it, in a folder of Parquet files or in its subfolder ``data``."""

    def __init__(self, folder: Path, catalog: ClassCatalog) -> None:
        self.folder = folder.resolve()
        self.catalog = catalog

    @property
    def place(self) -> str:
        return str(self.folder)

    @cached_property
    def manifest_digest(self) -> str:
        """SHA-256 over the IDs of all images in both splits, and the size of all encoded images of a split together.

        The size of a single image is not to be had without reading it. An image folder of the same images has another
        digest.
        """
        state = hashlib.sha256(b"parquet\n")
        for split in PREFIXES:
            rows = self._rows(split)
            state.update(f"{split} {rows.image_bytes}\n".encode())
            for class_id in sorted(rows.by_class):
                lines = [f"{split}/{class_id}/{name}\n" for name in sorted(rows.by_class[class_id])]
                state.update("".join(lines).encode())
        return state.hexdigest()

    def class_ids(self, split: Split) -> tuple[str, ...]:
        return tuple(sorted(self._rows(split).by_class))

    def listing(self, split: Split, class_id: str) -> ClassListing:
        names = self._rows(split).by_class.get(class_id)
        if not names:
            message = f"the {PREFIXES[split]} files hold no image of class {class_id}"
            raise InputError(message, source=self.folder)
        return ClassListing(tuple(sorted(names)), None)

    def encoded(self, split: Split, wanted: Wanted) -> Iterator[EncodedImage]:
        rows = self._rows(split)
        places = sorted(
            (*rows.by_class[class_id][name], class_id, name) for class_id in wanted for name in wanted[class_id]
        )
        by_file: dict[int, dict[int, tuple[str, str]]] = {}
        for number, row, class_id, name in places:
            by_file.setdefault(number, {})[row] = (class_id, name)
        for number, chosen in by_file.items():
            yield from _images(rows.files[number], chosen)

    @kept
    def _rows(self, split: Split) -> Rows:
        files = split_files(self.folder, split)
        by_class: dict[str, dict[str, tuple[int, int]]] = {}
        first, size = 0, 0
        for number, path in enumerate(files):
            labels, names, encoded = _listed(path, self.catalog)
            size += encoded
            for row, (label, name) in enumerate(zip(labels, names, strict=True)):
                class_id = _class_of(label, name, self.catalog, path, row)
                stem = f"{split}-{first + row:08d}" if name is None else _stem(name, class_id)
                if by_class.setdefault(class_id, {}).setdefault(stem, (number, row)) != (number, row):
                    raise InputError(f"row {row}: two images are called {quoted(stem)}", source=path)
            first += len(labels)
        return Rows(files, by_class, size)


def split_files(folder: Path, split: Split) -> tuple[Path, ...]:
    """The Parquet files of a split, sorted.

    Raises:
        InputError: there are none, or some of those that their names number (``-00003-of-00294``) are missing.
    """
    prefix = PREFIXES[split]
    files = sorted(path for place in (folder, folder / "data") for path in place.glob(f"{prefix}*.parquet"))
    if not files:
        raise InputError(f"no {prefix}-*.parquet here or in data", source=folder)
    numbered = re.fullmatch(r".*-of-(\d{1,6})", files[0].stem)
    if numbered and len(files) != int(numbered[1]):
        message = f"{len(files)} of {int(numbered[1])} {prefix} files are here"
        raise InputError(message, source=files[0].parent)
    return tuple(files)


def _listed(path: Path, catalog: ClassCatalog) -> tuple[list[Any], list[Any], int]:
    """Labels and names of a file's rows, and the size of its encoded images."""
    with opened(path) as file:
        classes = label_names(file, "label")
        if classes is not None and len(classes) != len(catalog):
            message = f"its labels are of {len(classes)} classes; ImageNet-1K has {len(catalog)}"
            raise InputError(message, source=path)
        paths = [file.metadata.schema.column(index).path for index in range(file.metadata.num_columns)]
        if not {"label", "image.bytes"} <= set(paths):
            message = "needs the columns label and image with bytes in it, as ILSVRC/imagenet-1k has them"
            raise InputError(message, source=path)
        wanted = [name for name in ("label", "image.path") if name in paths]
        columns = file.read(columns=wanted).to_pydict()
        metadata, images = file.metadata, paths.index("image.bytes")
        groups = range(metadata.num_row_groups)
        size = sum(metadata.row_group(group).column(images).total_uncompressed_size for group in groups)
    labels = columns["label"]
    names = [image and image["path"] for image in columns.get("image", [None] * len(labels))]
    return labels, names, size


def _images(path: Path, chosen: dict[int, tuple[str, str]]) -> Iterator[EncodedImage]:
    """The images of some rows of a file; a row group at a time is in memory."""
    with opened(path) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            rows = [row for row in range(first, first + count) if row in chosen]
            if rows:
                table = file.read_row_group(group, columns=["image.bytes"])
                images = table.column("image").combine_chunks().field("bytes")
                for row in rows:
                    encoded = images[row - first].as_py() or b""
                    yield EncodedImage(*chosen[row], lambda encoded=encoded: encoded)  # type: ignore[misc]
            first += count


def _class_of(label: Any, name: Any, catalog: ClassCatalog, path: Path, row: int) -> str:
    if not isinstance(label, int) or not 0 <= label < len(catalog):
        raise InputError(f"row {row}: the label {quoted(str(label))} is not 0 to {len(catalog) - 1}", source=path)
    class_id = catalog.ids[label]
    named = re.search(r"n\d{8}(?=\.\w+$)", name or "") or re.match(r"n\d{8}(?=_)", PurePosixPath(name or "").name)
    if named and named[0] != class_id:
        raise InputError(f"row {row}: label {label} is {class_id}, but the image is {quoted(name)}", source=path)
    return class_id


def _stem(name: str, class_id: str) -> str:
    """``n01440764_10026`` of ``n01440764_10026_n01440764.JPEG``, so that IDs are those of an image folder."""
    return "_".join(PurePosixPath(name).stem.removesuffix(f"_{class_id}").split())
