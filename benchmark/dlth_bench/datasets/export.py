"""A subset as a folder of images: links to class folders of the full dataset, as torchvision's ImageFolder reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.subset import Subset

_SPLITS = ("train", "val")


def export_image_folder(subset: Subset, source: Path, target: Path) -> tuple[Path, ...]:
    """Make ``target`` with a symbolic link to the folder of each class of the subset; copies no image.

    Args:
        source: holds one folder a class, named by its ID, or folders ``train`` and ``val`` (or one of them) that do.
        target: must not exist, or be an empty folder. It gets the same splits as ``source``.

    Returns:
        The links, all absolute.

    Raises:
        InputError: the subset is one of samples, ``source`` is no folder or lacks a class, ``target`` holds something,
            or cannot be written. Nothing is written then.
    """
    if subset.unit != "class":
        raise InputError(f"the subset lists {subset.unit}s; only class subsets can be exported as links to folders")
    if not source.is_dir():
        raise InputError("is not a folder of class folders", source=printable(str(source)))
    splits = [name for name in _SPLITS if (source / name).is_dir()] or ["."]
    links = {Path(split) / item: (source / split / item).resolve() for split in splits for item in subset.ids}
    missing = [str(link) for link, folder in links.items() if not folder.is_dir()]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        message = f"lacks {len(missing)} of {len(links)} class folders: {shown}"
        raise InputError(message, source=printable(str(source)))
    try:
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise InputError("exists and is not an empty folder; nothing is overwritten", source=printable(str(target)))
        _link_all(links, target)
    except OSError as error:
        reason = error.strerror or "input/output error"
        raise InputError(f"cannot be written: {reason}", source=printable(str(target))) from None
    return tuple(target / link for link in links)


def _link_all(links: dict[Path, Path], target: Path) -> None:
    """All links or none: they are made in a folder beside ``target`` that is then renamed to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    unfinished.mkdir()
    try:
        for link, folder in links.items():
            (unfinished / link).parent.mkdir(exist_ok=True)
            (unfinished / link).symlink_to(folder, target_is_directory=True)
        unfinished.replace(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
