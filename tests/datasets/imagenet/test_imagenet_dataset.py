"""ImageNet's images: the same from every form in which it comes, and one clear line when something is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlth_bench.datasets.dataset import ImageArrays
from dlth_bench.datasets.imagenet.dataset import ImageNet, source_in
from dlth_bench.datasets.imagenet.sources import ParquetImages
from dlth_bench.datasets.packed.cache import PackedImages
from dlth_bench.util.errors import InputError
from imagenet_files import WNIDS, jpeg, picture, stem, write_image_folder, write_parquet

pytest.importorskip("pyarrow")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "imagenet")


def dataset(folder: Path, side: int = 40) -> ImageNet:
    cache = folder.parent / "cache"
    return ImageNet(source_in(folder, cache), cache, image_size=32, shorter_side=side)


def pixels(arrays: ImageArrays) -> list[np.ndarray]:
    """The images that arrays stand for, each uint8 (height, width, 3)."""
    assert isinstance(arrays.images, PackedImages)
    files = arrays.images.files()
    assert len(files) == len(arrays.images)
    stored = [np.fromfile(path, np.uint8) for path in files.paths]
    places = zip(files.file, files.start, files.sizes, files.height, files.width, strict=True)
    return [stored[file][start : start + size].reshape(height, width, 3) for file, start, size, height, width in places]


def test_samples_come_class_by_class_with_stable_ids(folder: Path) -> None:
    """Labels count the asked classes in the asked order; IDs are the class and the file's name."""
    arrays = dataset(folder).load("train", (WNIDS[2], WNIDS[0]), images_per_class=3)
    assert arrays.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert arrays.sample_ids[:2] == ("n01484850/n01484850_10026", "n01484850/n01484850_10027")
    assert arrays.sample_ids[3] == "n01440764/n01440764_10026"
    samples = dataset(folder).samples(3)
    assert samples.sample_ids[:4] == ("n01440764/n01440764_10026", *samples.sample_ids[1:4])
    assert samples.index("n01484850/n01484850_10027") == 7
    assert set(np.asarray(samples.labels)) == {0, 1, 2}


def test_pixels_are_those_that_torchvision_s_resize_gives(folder: Path) -> None:
    """Larger images are reduced as by torchvision's Resize on PIL images; others are kept."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as transforms

    arrays = dataset(folder).load("train", WNIDS[:1])
    for name, ours in zip(arrays.sample_ids, pixels(arrays), strict=True):
        with Image.open(folder / "train" / f"{name}.JPEG") as opened:
            image = opened.convert("RGB")
        if min(image.size) > 40:
            image = transforms.resize(image, 40, InterpolationMode.BICUBIC)
        assert np.array_equal(ours, np.asarray(image))
    assert {image.shape[:2] for image in pixels(arrays)} == {(40, 53), (53, 40), (40, 40), (40, 75), (24, 30)}


def test_parquet_has_the_same_samples(folder: Path) -> None:
    """Parquet files as on the Hub, shuffled and with the class at the end of names, give the folder's samples."""
    parquet = dataset(write_parquet(folder, folder.parent / "hub"))
    for split in ("train", "val"):
        theirs, ours = dataset(folder).load(split, WNIDS[:2]), parquet.load(split, WNIDS[:2])
        assert ours.sample_ids == theirs.sample_ids
        assert np.array_equal(ours.labels, theirs.labels)
        assert all(np.array_equal(a, b) for a, b in zip(pixels(ours), pixels(theirs), strict=True))


def test_only_the_rows_of_the_subset_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Parquet files, row groups without an image of the asked classes stay unread; of a folder, other classes."""
    import pyarrow.parquet

    hub = write_parquet(folder, folder.parent / "hub", files=1, group=1)
    read = []
    original = pyarrow.parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        pyarrow.parquet.ParquetFile, "read_row_group", lambda *a, **k: read.append(a[1]) or original(*a, **k)
    )
    pixels(dataset(hub).load("train", WNIDS[:1]))
    assert len(read) == 8
    opened = []
    monkeypatch.setattr(Path, "read_bytes", lambda self: opened.append(self) or self.open("rb").read())
    pixels(dataset(folder).load("train", WNIDS[:1], images_per_class=2))
    images = [path.name for path in opened if path.suffix == ".JPEG"]
    assert sorted(images) == ["n01440764_10026.JPEG", "n01440764_10027.JPEG"]


def test_a_sample_subset_packs_its_samples_only(folder: Path) -> None:
    """A list of a tenth of all images does not cost the space of all."""
    data = dataset(folder)
    chosen = data.load("train", WNIDS).only(["n01440764/n01440764_10028", "n01443537/n01443537_10026"])
    assert [image.shape for image in pixels(chosen)] == [(40, 40, 3), (40, 53, 3)]
    assert sum(path.stat().st_size for path in (folder.parent / "cache").rglob("*.u8")) == 3 * 40 * (40 + 53)


def test_the_digest_tells_other_data(folder: Path, tmp_path: Path) -> None:
    """Images missing, added or of another size change the digest, and so do other classes; order and place do not."""
    moved = write_image_folder(tmp_path / "elsewhere")
    assert dataset(moved).manifest_digest == dataset(folder).manifest_digest
    hub = write_parquet(folder, tmp_path / "hub")
    assert dataset(write_parquet(folder, tmp_path / "again")).manifest_digest == dataset(hub).manifest_digest
    image = moved / "val" / WNIDS[0] / f"{stem('val', WNIDS[0], 0)}.JPEG"
    image.write_bytes(jpeg(picture(WNIDS[0], 7).resize((9, 9))))
    assert dataset(moved).manifest_digest != dataset(folder).manifest_digest
    assert dataset(write_parquet(moved, tmp_path / "other hub")).manifest_digest != dataset(hub).manifest_digest
    fewer = write_image_folder(tmp_path / "fewer", wnids=WNIDS[:2])
    assert dataset(fewer).manifest_digest != dataset(folder).manifest_digest


def test_listings_are_kept_until_the_folder_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million files are listed once; a class folder that was changed since is listed again."""
    for path in (*folder.glob("train/*"), *folder.glob("val/*")):
        os.utime(path, (1e9, 1e9))
    before = dataset(folder).manifest_digest
    scans: list[Path] = []
    original = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scans.append(Path(path)) or original(path))
    assert dataset(folder).manifest_digest == before
    assert {path.name for path in scans} == {"train", "val"}
    (folder / "train" / WNIDS[1] / "n01443537_99999.JPEG").write_bytes(jpeg(picture(WNIDS[1], 99)))
    assert dataset(folder).manifest_digest != before


def test_every_kind_of_image_becomes_rgb(tmp_path: Path) -> None:
    """CMYK, grey and palette images, a PNG called a JPEG, and one with an orientation tag, which is not followed."""
    cmyk, grey = picture(WNIDS[0], 0).convert("CMYK"), picture(WNIDS[0], 1).convert("L")
    png, turned = (tmp_path / name for name in ("a.png", "b.jpg"))
    picture(WNIDS[0], 2).convert("P").save(png)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(WNIDS[0], 0).save(turned, "JPEG", exif=exif)
    contents = (jpeg(cmyk), jpeg(grey), png.read_bytes(), turned.read_bytes())
    changed = {f"train/{WNIDS[0]}/{stem('train', WNIDS[0], n)}.JPEG": data for n, data in enumerate(contents)}
    arrays = dataset(write_image_folder(tmp_path / "imagenet", changed=changed)).load("train", WNIDS[:1])
    found = pixels(arrays)
    assert [image.shape for image in found[:4]] == [(40, 53, 3), (53, 40, 3), (40, 40, 3), (40, 53, 3)]
    assert (found[1][..., 0] == found[1][..., 2]).all()
    assert abs(found[0].astype(int) - found[3].astype(int)).mean() < 20  # the same picture, CMYK and turned or not


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(InputError) as error:
        pixels(dataset(folder).load("train", WNIDS))
    text = str(error.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_what_is_wrong_with_a_folder_is_said_in_one_line(tmp_path: Path) -> None:
    """No folder, a file, nothing in it, a split or a class missing, other classes, no images, two of one name."""
    refused(tmp_path / "none", "none: no such folder")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "is a file, not a folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds neither train/n01440764/*.JPEG", "nor train-*.parquet")
    (tmp_path / "half" / "train" / WNIDS[0]).mkdir(parents=True)
    refused(tmp_path / "half", "half/val: no such folder")
    refused(write_image_folder(tmp_path / "two", wnids=WNIDS[:2]), "lacks 1 of the 3 classes", "train: n01484850")
    numbered = write_image_folder(tmp_path / "numbered")
    (numbered / "val" / WNIDS[0]).rename(numbered / "val" / "0")
    refused(numbered, "numbered/val: 1 of 3 folders are none of the 1000 classes", "such as '0'")
    bare = write_image_folder(tmp_path / "bare", train=0)
    refused(bare, "train/n01440764: holds no image")
    double = write_image_folder(tmp_path / "double")
    (double / "train" / WNIDS[0] / "n01440764_10026.png").write_bytes(b"")
    refused(double, "two images are called 'n01440764_10026'")


def test_what_is_wrong_with_parquet_files_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
    """A file missing, of another dataset, of other columns, truncated, or with labels that do not fit its names."""
    refused(write_parquet(folder, tmp_path / "hundred", classes=100), "labels are of 100 classes", "has 1000")
    partial = write_parquet(folder, tmp_path / "partial")
    (partial / "data" / "train-00001-of-00002.parquet").unlink()
    refused(partial, "1 of 2 train files are here")
    for path in (partial / "data").glob("validation*"):
        path.unlink()
    (partial / "data" / "train-00001-of-00002.parquet").write_bytes(b"PAR1, but not really")
    refused(partial, "train-00001-of-00002.parquet: not a readable Parquet file")
    three = write_parquet(folder, tmp_path / "three")
    assert ParquetImages(three, dataset(folder).catalog).class_ids("train") == WNIDS
    with pytest.raises(InputError, match="lacks 1 of the 1 classes to be read from train: n01491361"):
        dataset(three).load("train", ("n01491361",))
    refused(write_parquet(folder, tmp_path / "other", first=1), "label 3 is n01491361, but the image is 'n01484850_")
    refused(write_parquet(folder, tmp_path / "far", first=999), "the label '1001' is not 0 to 999")
    refused(write_parquet(folder, tmp_path / "columns", image="picture"), "needs the columns label and image")


def test_classes_that_there_are_not(folder: Path) -> None:
    """A misspelt class is named with what was meant."""
    with pytest.raises(InputError, match="no class 'n01440765'; did you mean 'n01440764'"):
        dataset(folder).load("train", ("n01440765",))
    with pytest.raises(InputError, match="must be at least 1"):
        dataset(folder).load("train", WNIDS, images_per_class=0)
