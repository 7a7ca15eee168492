"""Images on disk in one folder a class, as torchvision's ImageFolder has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import listed

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What torchvision's ImageFolder takes for an image, in any case."""


@dataclass(frozen=True)
class LabelledFiles:
    """Image files and their classes.

    folder: holds the class folders.
    paths: sorted by class and name.
    labels: positions in the catalog.
    """

    folder: Path
    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)


def validation_files(folder: Path, catalog: ClassCatalog) -> LabelledFiles:
    """The images of every class, from ``folder/val/<class ID>/`` or else ``folder/<class ID>/``.

    Raises:
        InputError: no such folder, or classes without a folder or without an image.
    """
    if not folder.is_dir():
        raise InputError("is not a folder", source=folder)
    try:
        root = next((root for root in (folder / "val", folder) if _has_class_folder(root, catalog)), None)
        if root is None:
            raise InputError(f"{_what_it_holds(folder)}; expected {_expected(catalog)}", source=folder)
        missing = [class_id for class_id in catalog.ids if not (root / class_id).is_dir()]
        if missing:
            message = f"lacks {len(missing)} of {len(catalog)} class folders: {listed(missing, 5)}"
            raise InputError(message, source=root)
        images = [_images(root / class_id) for class_id in catalog.ids]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or 'input/output error'}", source=folder) from None
    empty = [class_id for class_id, paths in zip(catalog.ids, images, strict=True) if not paths]
    if empty:
        raise InputError(f"has no image in {len(empty)} class folders: {listed(empty, 5)}", source=root)
    labels = [label for label, paths in enumerate(images) for _ in paths]
    return LabelledFiles(root, tuple(path for paths in images for path in paths), tuple(labels))


def _images(folder: Path) -> list[Path]:
    # macOS leaves files such as ._n01440764_18.JPEG, which are no images.
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _has_class_folder(root: Path, catalog: ClassCatalog) -> bool:
    return any((root / class_id).is_dir() for class_id in catalog.ids)


def _what_it_holds(folder: Path) -> str:
    for place in (folder / "val", folder):
        if place.is_dir() and _images(place):
            return "holds images that are not sorted into class folders"
    if (folder / "train").is_dir():
        return "has a folder train, but no folder val with class folders"
    return "holds no class folder"


def _expected(catalog: ClassCatalog) -> str:
    return f"DIR/val/{catalog.ids[0]}/* or DIR/{catalog.ids[0]}/*, and so on"
