"""ImageNet as Parquet files: ``train-*.parquet`` and ``validation-*.parquet``, as ``datasets`` writes them.

Columns: ``image``, a struct of ``bytes`` (an encoded image) and ``path`` (its file name, on the Hub
``n01440764_10026_n01440764.JPEG``); ``label``, an index into the sorted WordNet IDs. Labels and names are read first,
then only the row groups that hold a wanted image.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dlth_bench.datasets.packed.source import ClassListing, EncodedImage, Wanted
from dlth_bench.datasets.splits import Split
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

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
        for split, rows in self._splits.items():
            state.update(f"{split} {rows.image_bytes}\n".encode())
            for class_id in sorted(rows.by_class):
                lines = [f"{split}/{class_id}/{name}\n" for name in sorted(rows.by_class[class_id])]
                state.update("".join(lines).encode())
        return state.hexdigest()

    def class_ids(self, split: Split) -> tuple[str, ...]:
        return tuple(sorted(self._splits[split].by_class))

    def listing(self, split: Split, class_id: str) -> ClassListing:
        names = self._splits[split].by_class.get(class_id)
        if not names:
            message = f"the {PREFIXES[split]} files hold no image of class {class_id}"
            raise InputError(message, source=printable(self.place))
        return ClassListing(tuple(sorted(names)), None)

    def encoded(self, split: Split, wanted: Wanted) -> Iterator[EncodedImage]:
        rows = self._splits[split]
        places = sorted(
            (*rows.by_class[class_id][name], class_id, name) for class_id in wanted for name in wanted[class_id]
        )
        by_file: dict[int, dict[int, tuple[str, str]]] = {}
        for number, row, class_id, name in places:
            by_file.setdefault(number, {})[row] = (class_id, name)
        for number, chosen in by_file.items():
            yield from _images(rows.files[number], chosen)

    @cached_property
    def _splits(self) -> dict[Split, Rows]:
        return {"train": self._rows("train"), "val": self._rows("val")}

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
                    raise InputError(f"row {row}: two images are called {quoted(stem)}", source=printable(str(path)))
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
        raise InputError(f"no {prefix}-*.parquet here or in data", source=printable(str(folder)))
    numbered = re.fullmatch(r".*-of-(\d{1,6})", files[0].stem)
    if numbered and len(files) != int(numbered[1]):
        message = f"{len(files)} of {int(numbered[1])} {prefix} files are here"
        raise InputError(message, source=printable(str(files[0].parent)))
    return tuple(files)


def _listed(path: Path, catalog: ClassCatalog) -> tuple[list[Any], list[Any], int]:
    """Labels and names of a file's rows, and the size of its encoded images."""
    with _opened(path) as file:
        _check_label_names(path, file, catalog)
        paths = [file.metadata.schema.column(index).path for index in range(file.metadata.num_columns)]
        if not {"label", "image.bytes"} <= set(paths):
            message = "needs the columns label and image with bytes in it, as ILSVRC/imagenet-1k has them"
            raise InputError(message, source=printable(str(path)))
        wanted = [name for name in ("label", "image.path") if name in paths]
        columns = _table(path, partial(file.read, columns=wanted)).to_pydict()
        metadata, images = file.metadata, paths.index("image.bytes")
        groups = range(metadata.num_row_groups)
        size = sum(metadata.row_group(group).column(images).total_uncompressed_size for group in groups)
    labels = columns["label"]
    names = [image and image["path"] for image in columns.get("image", [None] * len(labels))]
    return labels, names, size


def _images(path: Path, chosen: dict[int, tuple[str, str]]) -> Iterator[EncodedImage]:
    """The images of some rows of a file; a row group at a time is in memory."""
    with _opened(path) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            rows = [row for row in range(first, first + count) if row in chosen]
            if rows:
                table = _table(path, partial(file.read_row_group, group, columns=["image.bytes"]))
                images = table.column("image").combine_chunks().field("bytes")
                for row in rows:
                    encoded = images[row - first].as_py() or b""
                    yield EncodedImage(*chosen[row], lambda encoded=encoded: encoded)  # type: ignore[misc]
            first += count


def _opened(path: Path) -> ParquetFile:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InputError("reading Parquet needs pyarrow: pip install 'dlth-bench[datasets]'") from None
    return _table(path, lambda: ParquetFile(path))


def _table(path: Path, read: Any) -> Any:
    """What ``read()`` returns, with pyarrow's errors made the user's."""
    import pyarrow

    try:
        return read()
    except (pyarrow.ArrowException, OSError) as error:
        reason = printable(str(error).strip().partition("\n")[0])
        raise InputError(f"not a readable Parquet file: {reason}", source=printable(str(path))) from None


def _check_label_names(path: Path, file: ParquetFile, catalog: ClassCatalog) -> None:
    """Refuse files whose metadata, which `datasets` writes, name another number of classes."""
    metadata = (file.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        names = json.loads(metadata)["info"]["features"]["label"].get("names") if metadata else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # another writer's metadata say nothing
    if isinstance(names, list) and len(names) != len(catalog):
        message = f"its labels are of {len(names)} classes; ImageNet-1K has {len(catalog)}"
        raise InputError(message, source=printable(str(path)))


def _class_of(label: Any, name: Any, catalog: ClassCatalog, path: Path, row: int) -> str:
    source = printable(str(path))
    if not isinstance(label, int) or not 0 <= label < len(catalog):
        raise InputError(f"row {row}: the label {quoted(str(label))} is not 0 to {len(catalog) - 1}", source=source)
    class_id = catalog.ids[label]
    named = re.search(r"n\d{8}(?=\.\w+$)", name or "") or re.match(r"n\d{8}(?=_)", PurePosixPath(name or "").name)
    if named and named[0] != class_id:
        raise InputError(f"row {row}: label {label} is {class_id}, but the image is {quoted(name)}", source=source)
    return class_id


def _stem(name: str, class_id: str) -> str:
    """``n01440764_10026`` of ``n01440764_10026_n01440764.JPEG``, so that IDs are those of an image folder."""
    return "_".join(PurePosixPath(name).stem.removesuffix(f"_{class_id}").split())
