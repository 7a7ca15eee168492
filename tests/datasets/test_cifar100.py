"""CIFAR-100: its classes, its files as they are on the Hub, and what is said when they are missing or broken."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from cifar_files import HUB_NAMES, generated, png, write_dataset, write_file

from dlth_bench.datasets import parquet as files
from dlth_bench.datasets.cifar import CIFAR100, cifar100_catalog
from dlth_bench.datasets.download import dataset_folder
from dlth_bench.datasets.parquet import SmallImages
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.util.errors import InputError

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "cifar100")


# --- classes ------------------------------------------------------------------------------------------------


def test_classes_are_the_hundred_fine_labels_in_their_usual_order() -> None:
    """Labels are alphabetical; each of the 20 superclasses has five classes."""
    catalog = class_catalog("cifar100")
    assert len(catalog) == 100
    assert list(catalog.ids) == sorted(catalog.ids)
    assert [catalog.ids[label] for label in (0, 1, 26, 99)] == ["apple", "aquarium_fish", "crab", "worm"]
    assert set(Counter(info.tree for info in catalog).values()) == {5}
    assert len({info.tree for info in catalog}) == 20


def test_spellings() -> None:
    """A class is known by its label, with or without underscores, and by the Hub's misspelling; not by number."""
    catalog = cifar100_catalog()
    assert catalog.index("sweet pepper") == catalog.index("sweet_pepper") == 83
    assert catalog.index("cra") == catalog.index("crab") == 26
    assert catalog.index("26") is None


# --- images -------------------------------------------------------------------------------------------------


def test_load_gives_the_classes_pixels_in_order(folder: Path) -> None:
    """Samples come class by class as asked for, in the files' order, with the bytes that were stored."""
    pixels, labels = generated("train", 4)
    arrays = SmallImages(CIFAR100, folder).load("train", ["worm", "apple"], images_per_class=3)
    rows = [*np.flatnonzero(np.array(labels) == 99)[:3], *np.flatnonzero(np.array(labels) == 0)[:3]]
    assert arrays.images.shape == (6, 3, 32, 32)
    assert arrays.images.dtype == np.uint8
    np.testing.assert_array_equal(arrays.images, pixels[rows].transpose(0, 3, 1, 2))
    assert arrays.labels.tolist() == [0, 0, 0, 1, 1, 1]
    names = ["worm"] * 3 + ["apple"] * 3
    assert arrays.sample_ids == tuple(f"{name}/{row:05d}" for name, row in zip(names, rows, strict=True))
    val = SmallImages(CIFAR100, folder).load("val", ["worm", "apple"])
    assert val.labels.tolist() == [0, 0, 1, 1]


def test_samples_are_those_that_load_gives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog of samples lists the IDs of all classes' training samples, without decoding an image."""
    names = cifar100_catalog().ids
    loaded = SmallImages(CIFAR100, folder).load("train", names, images_per_class=3)
    monkeypatch.setattr(files, "_decoded", None)
    samples = SmallImages(CIFAR100, folder).samples(images_per_class=3)
    assert samples.sample_ids == loaded.sample_ids
    assert list(samples.labels) == loaded.labels.tolist()
    assert (samples.class_ids, len(samples)) == (names, 300)
    assert len(SmallImages(CIFAR100, folder).samples()) == 400


def test_digest_is_of_pixels_and_labels_not_of_files(folder: Path, tmp_path: Path) -> None:
    """Other compression and two files for one split give the same digest; one changed pixel another."""
    digest = SmallImages(CIFAR100, folder).manifest_digest
    pixels, labels = generated("train", 4)
    test_pixels, test_labels = generated("test", 2)
    cut = 150

    def write(name: str, train: np.ndarray) -> str:
        for number, part in enumerate((slice(0, cut), slice(cut, None))):
            path = tmp_path / name / f"train-0000{number}-of-00002.parquet"
            write_file(path, [png(image) for image in train[part]], labels[part], names=None)
        write_file(tmp_path / name / "test.parquet", [png(image) for image in test_pixels], test_labels)
        return SmallImages(CIFAR100, tmp_path / name).manifest_digest

    assert write("same", pixels) == digest
    changed = pixels.copy()
    changed[7, 0, 0, 0] ^= 1
    assert write("changed", changed) != digest


def test_folder_comes_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``DLTH_BENCH_DATA`` names the folder around the dataset's; without either there is none."""
    monkeypatch.delenv("DLTH_BENCH_DATA", raising=False)
    assert dataset_folder("cifar100") is None
    monkeypatch.setenv("DLTH_BENCH_DATA", str(folder.parent))
    assert dataset_folder("cifar100") == folder == SmallImages(CIFAR100).folder
    assert dataset_folder("imagenet") is None


def test_without_a_folder_the_pinned_revision_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub is asked for one revision's Parquet files, whose label names are accepted as they are."""
    asked: list[dict[str, object]] = []

    def snapshot_download(repo_id: str, **options: object) -> str:
        asked.append({"repo_id": repo_id} | options)
        return str(folder)

    monkeypatch.delenv("DLTH_BENCH_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert len(SmallImages(CIFAR100).load("val", ["crab"]).labels) == 2
    assert [(call["repo_id"], call["revision"], call["repo_type"]) for call in asked] == [
        ("uoft-cs/cifar100", CIFAR100.hub_files().revision, "dataset")
    ]


# --- what can be wrong --------------------------------------------------------------------------------------


def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without files and without the Hub, the message says why and where to put the files."""

    def snapshot_download(*args: object, **options: object) -> str:
        raise OSError("no route to host\nand a traceback")

    monkeypatch.delenv("DLTH_BENCH_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(
        InputError, match=r"the Hub says: no route to host; try again, or name a folder .* DLTH_BENCH_DATA"
    ) as e:
        SmallImages(CIFAR100).load("train", ["apple"])
    assert str(e.value).isprintable()


ONE = [png(np.zeros((32, 32, 3), np.uint8))]


@pytest.mark.parametrize(
    ("images", "labels", "names", "words"),
    [
        ([*ONE, b"not an image"], [0, 1], HUB_NAMES, "row 1: the image cannot be decoded"),
        ([*ONE, png(np.zeros((16, 32, 3), np.uint8))], [0, 1], HUB_NAMES, "row 1: the image is 16x32, not 32x32"),
        ([*ONE, ONE[0][:60]], [0, 1], HUB_NAMES, "row 1: the image cannot be decoded"),
        (ONE * 2, [0, 100], HUB_NAMES, "row 1: the fine_label '100' is not 0 to 99"),
        (ONE, [0], ["airplane", *HUB_NAMES[1:]], "has other names than CIFAR-100's, such as 'airplane'"),
        (ONE, [0], HUB_NAMES[::-1], "has other names than CIFAR-100's, in another order or number"),
        (ONE, [0], HUB_NAMES[:10], "has other names than CIFAR-100's, in another order or number"),
    ],
)
def test_broken_contents_are_named(
    images: list[bytes], labels: list[int], names: list[str], words: str, tmp_path: Path
) -> None:
    """What is wrong in a file, and in which row and file, in one line."""
    write_file(tmp_path / "train.parquet", images, labels, names)
    with pytest.raises(InputError) as caught:
        SmallImages(CIFAR100, tmp_path).load("train", ["apple"])
    assert words in str(caught.value)
    assert "train.parquet" in str(caught.value)
    assert str(caught.value).isprintable()


def test_broken_files_are_named(tmp_path: Path) -> None:
    """No file of the split, a file that is no Parquet, a Parquet of other columns, a class without images."""
    with pytest.raises(InputError, match=r"no train\*\.parquet here"):
        SmallImages(CIFAR100, tmp_path).load("train", ["apple"])
    (tmp_path / "train.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        SmallImages(CIFAR100, tmp_path).load("train", ["apple"])
    from pyarrow import parquet, table

    parquet.write_table(table({"image": [1]}), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="needs the columns img and fine_label"):
        SmallImages(CIFAR100, tmp_path).load("train", ["apple"])
    write_file(tmp_path / "train.parquet", ONE, [0])
    with pytest.raises(InputError, match="the train split has no images of worm"):
        SmallImages(CIFAR100, tmp_path).load("train", ["apple", "worm"])
    with pytest.raises(InputError, match="cifar100 has no class 'aple'; did you mean 'apple'"):
        SmallImages(CIFAR100, tmp_path).load("train", ["aple"])


def test_catalog_loads_no_numpy() -> None:
    """Looking at the classes does not import what only images need."""
    code = (
        "import sys; from dlth_bench.datasets.cifar import cifar100_catalog; cifar100_catalog(); "
        "sys.exit('numpy' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
