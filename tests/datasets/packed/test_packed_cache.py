"""The cache of decoded images: made once, shared by subsets, resumed after a kill, not trusted when it is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dlth_bench.datasets.imagenet.dataset import ImageNet, source_in
from dlth_bench.datasets.packed import cache as cache_module
from dlth_bench.datasets.packed.cache import PackedFiles, PackedImages
from dlth_bench.datasets.packed.shard import Broken, Shard
from dlth_bench.util.errors import InputError
from imagenet_files import WNIDS, stem, write_image_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "imagenet", train=10)


def images(folder: Path, wnids: tuple[str, ...] = WNIDS, split: str = "train") -> PackedImages:
    cache = folder.parent / "cache"
    found = ImageNet(source_in(folder, cache), cache, image_size=32, shorter_side=40).load(split, wnids).images
    assert isinstance(found, PackedImages)
    return found


def contents(files: PackedFiles) -> list[bytes]:
    stored = [path.read_bytes() for path in files.paths]
    return [stored[f][s : s + n] for f, s, n in zip(files.file, files.start, files.sizes, strict=True)]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each image that is decoded."""
    calls: list[int] = []
    original = cache_module.decode
    monkeypatch.setattr(cache_module, "decode", lambda *a: calls.append(1) or original(*a))
    return calls


def test_each_image_is_decoded_once(folder: Path, decoded: list[int]) -> None:
    """A second run decodes nothing, another subset only what is new, and checking digests changes nothing."""
    first = contents(images(folder, WNIDS[:2]).files())
    assert len(decoded) == 20
    assert contents(images(folder, WNIDS[:2]).files(check=True)) == first
    assert len(decoded) == 20
    both = contents(images(folder, (WNIDS[2], WNIDS[1])).files())
    assert len(decoded) == 30
    assert both[10:] == first[10:]


def test_progress_counts_what_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar begins at what an earlier run left and ends at all images."""
    monkeypatch.setattr(cache_module, "BATCH", 4)
    images(folder, WNIDS[:1]).files()
    heard: list[tuple[int, int]] = []
    images(folder, WNIDS[:2]).files(report=lambda done, total: heard.append((done, total)))
    assert heard == [(4, 10), (8, 10), (10, 10)]


KILLED = """
import os, signal, sys
from pathlib import Path
from dlth_bench.datasets.imagenet.dataset import ImageNet, source_in
from dlth_bench.datasets.packed import cache
cache.BATCH = 2
folder = Path(sys.argv[1])
data = ImageNet(source_in(folder, folder.parent / "cache"), folder.parent / "cache", image_size=32, shorter_side=40)
def report(done, total):
    if done >= 16:
        os.kill(os.getpid(), signal.SIGKILL)
data.load("train", sys.argv[2:]).images.files(report=report)
"""


def test_a_killed_build_goes_on_where_it_was(folder: Path, decoded: list[int]) -> None:
    """After SIGKILL the images that were written are kept, half-written ones are not taken for images."""
    process = subprocess.run([sys.executable, "-c", KILLED, str(folder), *WNIDS], check=False)
    assert process.returncode == -signal.SIGKILL
    shard = images(folder).cache.shard("train", WNIDS[1])
    assert 0 < len(shard.entries()) < 10
    with shard.pixels_path.open("ab") as file:
        file.write(b"pixels of an image that has no line")
    with shard.index_path.open("ab") as file:
        file.write(b'{"name": "n01443537_1003')
    resumed = contents(images(folder).files(check=True))
    assert len(decoded) == 30 - 16
    shutil.rmtree(folder.parent / "cache")
    assert contents(images(folder).files()) == resumed


def _flip_a_byte(shard: Shard) -> None:
    data = bytearray(shard.pixels_path.read_bytes())
    data[1000] ^= 1
    shard.pixels_path.write_bytes(data)


def _cut_pixels(shard: Shard) -> None:
    os.truncate(shard.pixels_path, 5000)


def _edit_index(shard: Shard) -> None:
    shard.index_path.write_text(shard.index_path.read_text().replace("height", "depth", 1))


def _lose_pixels(shard: Shard) -> None:
    shard.pixels_path.unlink()


@pytest.mark.parametrize("damage", [_flip_a_byte, _cut_pixels, _edit_index, _lose_pixels])
def test_what_does_not_match_is_made_again(folder: Path, damage: object, decoded: list[int]) -> None:
    """Pixels or an index that were changed, cut or lost are found by the check, and that shard alone is made again."""
    whole = contents(images(folder).files())
    damage(images(folder).cache.shard("train", WNIDS[1]))  # type: ignore[operator]
    decoded.clear()
    assert contents(images(folder).files(check=True)) == whole
    assert len(decoded) == 10


def test_check_names_the_image(folder: Path) -> None:
    """What is wrong with a shard is known to the byte range of an image."""
    images(folder).files()
    shard = images(folder).cache.shard("train", WNIDS[1])
    _flip_a_byte(shard)
    with pytest.raises(Broken, match="the pixels of n01443537_10026"):
        shard.check(list(shard.entries()))


def test_a_changed_image_is_decoded_again(folder: Path) -> None:
    """An image that was replaced in the dataset is not read from the cache."""
    before = contents(images(folder).files())
    name = f"{stem('train', WNIDS[1], 0)}.JPEG"
    (folder / "train" / WNIDS[1] / name).write_bytes(
        (folder / "train" / WNIDS[2] / "n01484850_10029.JPEG").read_bytes()
    )
    os.utime(folder / "train" / WNIDS[1])
    after = contents(images(folder).files())
    assert [one == other for one, other in zip(before, after, strict=True)] == [n != 10 for n in range(30)]


def test_two_sides_and_two_places_do_not_mix(folder: Path, tmp_path: Path) -> None:
    """Another resolution, and another copy of the dataset, have their own shards."""
    other = write_image_folder(tmp_path / "other")
    cache = tmp_path / "cache"
    sources = [source_in(place, cache) for place in (folder, other)]
    data = [ImageNet(source, cache, shorter_side=side) for source in sources for side in (40, 48)]
    assert len({each.load("train", WNIDS[:1]).images.cache.folder for each in data}) == 4  # type: ignore[union-attr]


def test_a_few_corrupt_images_are_left_out_and_named(tmp_path: Path, decoded: list[int]) -> None:
    """Below one percent, undecodable images are counted and skipped, and not tried again."""
    broken = f"train/{WNIDS[0]}/{stem('train', WNIDS[0], 3)}.JPEG"
    folder = write_image_folder(tmp_path / "imagenet", train=101, wnids=WNIDS[:1], changed={broken: b"\xff\xd8\xff no"})
    for _ in range(2):
        files = images(folder, WNIDS[:1]).files()
        assert files.unreadable == ("n01440764/n01440764_10029",)
        assert files.rows.tolist() == [n for n in range(101) if n != 3]
    assert len(decoded) == 101


@pytest.mark.parametrize("contents", [b"", b"not an image", "truncated"])
def test_many_corrupt_images_stop_the_run(folder: Path, contents: bytes | str) -> None:
    """More than one percent of empty, foreign or truncated files: the run stops and names some of them."""
    path = folder / "train" / WNIDS[0] / f"{stem('train', WNIDS[0], 3)}.JPEG"
    path.write_bytes(path.read_bytes()[:700] if isinstance(contents, str) else contents)
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"^1 of 30 train images cannot be decoded, more than 1%: n01440764/n0144076"
        ):
            images(folder).files()


def test_no_space(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is too small is noticed before the first image, and how to name another is said."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000))
    with pytest.raises(InputError, match=r"packing 30 images takes about 0\.0 GB, but only .* DLTH_BENCH_CACHE"):
        images(folder).files()
    monkeypatch.undo()
    assert len(images(folder).files()) == 30


def test_a_disk_that_fills_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space in the middle is one clear line, and what was written serves the next attempt."""
    monkeypatch.setattr(cache_module, "BATCH", 4)
    original = Shard.add

    def full(self: Shard, batch: list[object]) -> None:
        if len(self.entries()) >= 8:
            with self.pixels_path.open("ab") as file:
                file.write(b"half an image")
            raise OSError(28, "No space left on device")
        original(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Shard, "add", full)
    with pytest.raises(InputError, match="No space left on device; the same command goes on from there"):
        images(folder).files()
    monkeypatch.setattr(Shard, "add", original)
    kept = contents(images(folder).files(check=True))
    shutil.rmtree(folder.parent / "cache")
    assert contents(images(folder).files()) == kept


def test_a_cache_that_cannot_be_written(folder: Path) -> None:
    """A file where the cache's folder should be is said, with the variable that names another place."""
    place = folder.parent / "cache"
    place.mkdir()
    (place / "packed").write_text("")
    with pytest.raises(InputError, match=r"images cannot be packed here: .*DLTH_BENCH_CACHE"):
        images(folder).files()


def test_two_processes_pack_the_same_images_once(folder: Path) -> None:
    """Two runs that start together wait for each other and read the same pixels."""
    code = KILLED.replace("if done >= 16:", "if False:")
    processes = [subprocess.Popen([sys.executable, "-c", code, str(folder), *WNIDS]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    files = images(folder).files(check=True)
    assert sum(path.stat().st_size for path in files.paths) == int(np.sum(files.sizes))
