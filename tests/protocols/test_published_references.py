"""The frozen protocols on data that are not shipped: their references are the published numbers, with sources."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.datasets.registry import validation_counts
from dlth_bench.protocols.protocol_file import find_protocol, lock_state, read_lock
from dlth_bench.util.files import shipped_folder

PUBLISHED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("published_accuracies.yaml").read_text())

FIVE = (*PUBLISHED, "imagenet-sensitivity")


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_references_are_the_published_accuracies(name: str) -> None:
    """Each config's, to the last digit, and none without its source and a day."""
    reference = find_protocol(f"{name}@1").reference
    assert reference is not None
    expected = {config: row["percent"] / 100 for config, row in PUBLISHED[name]["configs"].items()}
    assert {config: entry.mean for config, entry in reference.configs.items()} == pytest.approx(expected)
    assert all(entry.source for entry in reference.configs.values())
    assert reference.date < datetime.date(2026, 11, 1)


def test_stated_deviations_are_those_of_five_trials() -> None:
    """MoCo's README states them of v1 and v2 at 200 epochs; nobody states one of another config."""
    reference = find_protocol("imagenet-ssl@1").reference
    assert reference is not None
    stated = {name: entry.std for name, entry in reference.configs.items() if entry.std is not None}
    assert stated == {"moco-v1_r50_200ep": 0.002, "moco-v2_r50_200ep": 0.001}


def test_torchvision_s_numbers_are_those_of_its_weights() -> None:
    """Accuracies, parameter counts and evaluation sizes as the installed package has them; nothing is downloaded."""
    models = pytest.importorskip("torchvision.models")
    for name, row in PUBLISHED["imagenet-supervised"]["configs"].items():
        weights = models.get_model_weights(name).IMAGENET1K_V1
        assert weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] == row["percent"]
        assert weights.meta["num_params"] == row["parameters"]
        (resize,) = weights.transforms().resize_size
        assert resize == row["resize"]


def test_where_the_paper_prints_no_accuracies_none_are_claimed() -> None:
    """The paper shows its sensitivity study as pictures; the protocol is frozen without a reference."""
    assert find_protocol("imagenet-sensitivity@1").reference is None


@pytest.mark.parametrize("name", FIVE)
def test_they_are_frozen(name: str) -> None:
    """A score under them means the same next year; the data's digest alone stays open."""
    protocol = find_protocol(f"{name}@1")
    assert lock_state(protocol, read_lock(shipped_folder("protocols"))) == "locked"
    assert protocol.data.manifest_digest is None


@pytest.mark.parametrize(("dataset", "count"), [("agnews", 1900), ("cifar100", 100), ("imagenet", 50)])
def test_open_digests_are_held_to_published_sizes(dataset: str, count: int) -> None:
    """How many validation samples a class has is known without the data."""
    assert validation_counts(DataSpec(dataset=dataset), ["a", "b"]) == (count, count)


def test_nir_is_admitted() -> None:
    """All classes with a tenth of the images: the supervised table has it, and figure 8 for MoCo v2 and DINO."""
    for name in ("imagenet-supervised@1", "imagenet-ssl@1"):
        samples = find_protocol(name).subset.samples
        assert samples is not None
        assert samples.minimum <= 128_117 <= samples.maximum
