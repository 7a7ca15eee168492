"""Samples on the device and in files: the same training from both, and batches read ahead that are the right ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from tiny_training import CONFIGS

from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.datasets.imagenet.dataset import ImageNet, source_in
from dlth_bench.datasets.packed.cache import PackedImages
from dlth_bench.runs.run import Run
from dlth_bench.training import samples as samples_module
from dlth_bench.training.loop import train
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.samples import FileSamples, RaggedImages, ReadAhead, _on_device, in_order
from dlth_bench.training.stage import Batches
from dlth_bench.training.train_run import train_run
from dlth_bench.training.train_stage import Checkpoints
from dlth_bench.training.views.augment import Pixels, unaugmented
from imagenet_files import WNIDS, write_image_folder

CPU = torch.device("cpu")
PIXELS = Pixels(32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ImageNet:
    place = tmp_path_factory.mktemp("imagenet")
    return ImageNet(source_in(write_image_folder(place / "data"), place), place, image_size=32, shorter_side=40)


@pytest.fixture
def in_files(dataset: ImageNet) -> FileSamples:
    images = dataset.load("train", WNIDS).images
    assert isinstance(images, PackedImages)
    return FileSamples(images.files(), CPU)


def run_of(config: str) -> Run:
    data = DataSpec(dataset="imagenet", image_size=32, pixel_mean=PIXELS.mean, pixel_std=PIXELS.std)
    return Run(data=data, config=CONFIGS[config], class_ids=WNIDS, seed=0)


def same(one: RaggedImages, other: RaggedImages) -> bool:
    return torch.equal(unaugmented(one, PIXELS), unaugmented(other, PIXELS))


def test_files_and_device_hold_the_same_images(in_files: FileSamples, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any positions and slices give the same images, read from files or taken from the device."""
    monkeypatch.setattr(samples_module, "READ_BATCH", 5)
    resident = _on_device(in_files)
    assert len(resident) == len(in_files) == 24
    for positions in (torch.tensor([23, 0, 7, 7]), slice(3, 9), slice(20, 99)):
        assert same(in_files[positions], resident[positions])


@pytest.mark.parametrize("numbers", [range(6), [0, 1, 4, 5, 2, 3], [5, 0, 0, 1]])
def test_batches_read_ahead_are_those_asked_for(in_files: FileSamples, numbers: list[int]) -> None:
    """In order, after a resume in the middle and back again, each batch has its own samples."""
    order = torch.randperm(24)
    ahead = ReadAhead(in_files, lambda number: order[4 * number :][:4], 6)
    for number in numbers:
        assert same(ahead.at(number), in_files[order[4 * number :][:4]])


def test_all_samples_in_order(in_files: FileSamples) -> None:
    """Batches for an evaluation hold every sample once, the last batch what is left."""
    batches = list(in_order(in_files, 10))
    assert [len(batch) for batch in batches] == [10, 10, 4]
    views = torch.cat([unaugmented(batch, PIXELS) for batch in batches])
    assert torch.equal(views, unaugmented(in_files[:], PIXELS))


@pytest.mark.parametrize("config", list(CONFIGS))
def test_training_from_files_is_training_from_the_device(
    config: str, dataset: ImageNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading ahead changes no draw and no bit: the result is that of resident images, for every method."""

    def result(**changes: Any) -> dict[str, Any]:
        for name, value in changes.items():
            monkeypatch.setattr("dlth_bench.training.data." + name, value)
        fields = ("status", "accuracy", "train_accuracy", "class_accuracy", "curves", "manifest_digest")
        found = train_run(run_of(config), dataset, device="cpu")
        return {name: getattr(found, name) for name in fields}

    from_files = result()
    assert from_files["status"] == "finished"
    resident = result(packed_samples=lambda files, device: _on_device(FileSamples(files, device)))
    assert resident == from_files


def test_a_stage_resumed_in_the_middle_reads_on_from_there(
    dataset: ImageNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training from files that goes on from a checkpoint ends with the weights of an uninterrupted one."""
    fabric = Fabric(accelerator="cpu", devices=1)
    whole = prepare_run(run_of("moco"), dataset, device="cpu").first_stage()
    train(whole, fabric, Checkpoints())
    path = tmp_path / "pretrain.safetensors"
    halted = prepare_run(run_of("moco"), dataset, device="cpu").first_stage()

    def copy(step: int, total: int) -> None:
        if step == 8:
            shutil.copy(path, tmp_path / "kept")

    train(halted, fabric, Checkpoints(path, every_seconds=0.0, report=copy))
    resumed = prepare_run(run_of("moco"), dataset, device="cpu").first_stage()
    history = train(resumed, fabric, Checkpoints(tmp_path / "kept"))
    assert len(history.curve_steps) == whole.steps
    for name, tensor in whole.method.state_dict().items():
        assert torch.equal(tensor, resumed.method.state_dict()[name]), name


def test_order_is_the_seed_s_and_not_the_place_s(dataset: ImageNet) -> None:
    """Which samples a step takes is decided without a look at where they are."""
    stage = prepare_run(run_of("moco"), dataset, device="cpu").first_stage()
    assert isinstance(stage.samples, FileSamples)
    one, other = Batches(stage), Batches(stage, CPU)
    assert all(torch.equal(one.at(step), other.at(step)) for step in range(stage.steps))


def test_one_image_more_than_a_percent_broken_fails_the_run(tmp_path: Path) -> None:
    """Where nobody packed the images before, a run does, and stops at too many broken ones with their names."""
    from dlth_bench.util.errors import InputError

    folder = write_image_folder(tmp_path / "data", changed={f"train/{WNIDS[0]}/n01440764_10026.JPEG": b"?"})
    data = ImageNet(source_in(folder, tmp_path), tmp_path, image_size=32)
    with pytest.raises(InputError, match="n01440764_10026"):
        train_run(run_of("moco"), data, device="cpu")
