"""Images in class folders: which layouts are read, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.datasets.class_folders import validation_files
from dlth_bench.datasets.imagenet.classes import imagenet_catalog
from dlth_bench.util.errors import InputError
from image_folders import make_folder, some_of

CATALOG = some_of(imagenet_catalog(), 4)


@pytest.mark.parametrize("inside", [".", "val"])
def test_layouts(tmp_path: Path, inside: str) -> None:
    """Class folders lie in the folder or in its val; files are in order of class and name, with the class's label."""
    root = make_folder(tmp_path / inside, CATALOG.ids)
    make_folder(tmp_path / "train", CATALOG.ids)
    (root / CATALOG.ids[0] / "._a.JPEG").write_bytes(b"")
    (root / CATALOG.ids[0] / "notes.txt").write_text("no image")
    (root / "n99999999").mkdir()
    files = validation_files(tmp_path, CATALOG)
    assert [(path.parent.name, label) for path, label in zip(files.paths, files.labels, strict=True)] == [
        (class_id, label) for label, class_id in enumerate(CATALOG.ids) for _ in range(2)
    ]
    assert all(path.parent.parent == root for path in files.paths)
    assert len(files) == len(set(files.paths)) == 8


def test_linked_class_folders_are_followed(tmp_path: Path) -> None:
    """The folder that ``subsets export`` makes is of links to class folders."""
    real = make_folder(tmp_path / "real", CATALOG.ids)
    (tmp_path / "links").mkdir()
    for class_id in CATALOG.ids:
        (tmp_path / "links" / class_id).symlink_to(real / class_id, target_is_directory=True)
    assert len(validation_files(tmp_path / "links", CATALOG)) == 8


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Missing and empty class folders are counted and named; unsorted images and other folders are told apart."""
    with pytest.raises(InputError, match="no: is not a folder"):
        validation_files(tmp_path / "no", CATALOG)
    with pytest.raises(InputError, match=r"holds no class folder; expected DIR/val/n01440764/\* or DIR/n01440764/\*"):
        validation_files(tmp_path, CATALOG)
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="has a folder train, but no folder val with class folders"):
        validation_files(tmp_path, CATALOG)
    flat = tmp_path / "flat" / "val"
    flat.mkdir(parents=True)
    (flat / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"")
    with pytest.raises(InputError, match="holds images that are not sorted into class folders"):
        validation_files(tmp_path / "flat", CATALOG)
    part = make_folder(tmp_path / "part", CATALOG.ids[:2])
    with pytest.raises(InputError, match=r"part: lacks 2 of 4 class folders: n01484850, n01491361$"):
        validation_files(part, CATALOG)
    for class_id in CATALOG.ids[2:]:
        (part / class_id).mkdir()
    with pytest.raises(InputError, match=r"part: has no image in 2 class folders: n01484850, n01491361$"):
        validation_files(part, CATALOG)
