"""Lists of samples of data that are not here: what may be named, on any machine, without a download."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.board.submission_folder import read_subset
from dlth_bench.datasets.registry import nameable_samples, sample_catalog
from dlth_bench.util.errors import InputError
from imagenet_files import write_image_folder


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy, and a Hub that must not be asked."""

    def downloaded(self: object) -> Path:
        raise AssertionError("asked the Hub")

    monkeypatch.delenv("DLTH_BENCH_DATA", raising=False)
    monkeypatch.setattr("dlth_bench.datasets.download.HubFiles.folder", downloaded)


@pytest.mark.parametrize(
    ("dataset", "right", "wrong"),
    [
        ("imagenet", "n01440764/n01440764_10026", "n01440764/n01443537_10026"),
        ("imagenet", "n15075141/n15075141_9993", "n01440764/n01440764_10026.JPEG"),
        ("cifar100", "apple/00042", "apple/42"),
        ("cifar100", "apple/49999", "apple/50000"),
        ("agnews", "Sci-Tech/119999", "Sci/Tech/000001"),
    ],
)
def test_names_follow_the_dataset_s_rule(dataset: str, right: str, wrong: str) -> None:
    """A name that no copy can have is refused; others are left to the machine that has the data."""
    samples = nameable_samples(dataset)
    assert samples.index(right) is not None
    assert samples.index(wrong) is None
    assert samples.index(samples.sample_ids[0]) is not None


def test_a_submission_s_list_is_read_without_the_data(tmp_path: Path) -> None:
    """On a laptop, a list such as NiR's is checked as on the cluster that trained it."""
    path = tmp_path / "subset.txt"
    path.write_text("n01440764/n01440764_10026\nn01443537/n01443537_2\n")
    assert read_subset(path, "imagenet").unit == "sample"
    path.write_text("n01440764/n01440764_10026\nn01443537/n01440764_2\n")
    with pytest.raises(InputError, match=r"subset\.txt:2: 'n01443537/n01440764_2' is not a training sample"):
        read_subset(path, "imagenet")


def test_samples_of_a_copy_keep_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dataset calls its samples is what the rule admits."""
    monkeypatch.setenv("DLTH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DLTH_BENCH_DATA_IMAGENET", str(write_image_folder(tmp_path / "imagenet")))
    rule = nameable_samples("imagenet")
    assert all(rule.index(sample_id) is not None for sample_id in sample_catalog("imagenet").sample_ids)


def test_shipped_samples_are_looked_up() -> None:
    """Of Glyphs every sample is known, so a name must be one of them."""
    assert nameable_samples("glyphs", 6).sample_ids == sample_catalog("glyphs", 6).sample_ids
