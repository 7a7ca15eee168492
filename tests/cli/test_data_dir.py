"""``dlth-bench run --data-dir``: ImageNet's formats from the command line to a score, and its errors."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from command_line import refused, run
from rich.console import Console

from dlth_bench.bench import pack_images
from dlth_bench.cli.shared.train import TrainingDisplay
from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.datasets.download import located
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Run
from imagenet_files import WNIDS, write_image_folder, write_parquet
from tiny_grid import tiny_text


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the tiny grid for three classes of ImageNet at 32 pixels, and the images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTH_BENCH_CACHE", str(tmp_path / "cache"))
    document = yaml.safe_load(tiny_text())
    document["data"] = {
        "dataset": "imagenet",
        "image_size": 32,
        "shorter_side": 40,
        "pixel_mean": [0.485, 0.456, 0.406],
        "pixel_std": [0.229, 0.224, 0.225],
    }
    document["seeds"] = [0]
    for config in document["configs"]:
        for stage in (config, config.get("evaluation", {})):
            if "train" in stage:
                stage["train"]["duration"] = {"epochs": 4}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "mine.txt").write_text("\n".join(WNIDS) + "\n")
    write_image_folder(tmp_path / "imagenet", train=16)
    return tmp_path


COMMAND = ("run", "--subset", "mine.txt", "--protocol", "tiny.yaml", "--workers", 1, "--device", "cpu")


def results(place: Path) -> dict[str, dict[str, object]]:
    found = [json.loads(path.read_text()) for path in place.glob("runs/*/*/result.json")]
    return {result["config"]: result for result in found}


@pytest.mark.slow
def test_images_in_a_folder_train_a_grid(place: Path) -> None:
    """From JPEG files to results of every config; Parquet of the same images gives the same accuracies."""
    out = run(*COMMAND, "--data-dir", "imagenet").output
    assert "3 of 3 runs to train" in out
    first = results(place)
    assert {result["status"] for result in first.values()} == {"finished"}
    assert first["supervised"]["class_counts"] == [4, 4, 4]
    assert "DLTH_BENCH_DATA_IMAGENET" not in os.environ
    write_parquet(place / "imagenet", place / "hub")
    run(*COMMAND, "--data-dir", "hub", "--out", "again/runs")
    second = results(place / "again")
    fields = ("accuracy", "class_accuracy", "curves")
    assert {c: [r[f] for f in fields] for c, r in first.items()} == {
        c: [r[f] for f in fields] for c, r in second.items()
    }
    assert first["moco"]["manifest_digest"] != second["moco"]["manifest_digest"]


def test_what_is_wrong_with_the_data_is_one_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong folder, a class that is not there, or nothing at all: said before anything is trained."""
    assert "nowhere: no such folder" in str(refused(*COMMAND, "--data-dir", "nowhere"))
    assert "mine.txt: is a file, not a folder" in str(refused(*COMMAND, "--data-dir", "mine.txt"))
    (place / "mine.txt").write_text("\n".join((*WNIDS[:2], "n01491361")) + "\n")
    assert "lacks 1 of the 3 classes to be read from train: n01491361" in str(
        refused(*COMMAND, "--data-dir", "imagenet")
    )
    monkeypatch.setenv("DLTH_BENCH_DATA", str(place))
    assert "lacks 1 of the 3 classes" in str(refused(*COMMAND))
    assert "come with the package" in str(refused("run", "--subset", "demo-24", "--data-dir", "imagenet"))
    assert not list(place.glob("runs/*/*/result.json"))


def test_corrupt_images_and_a_full_disk_stop_before_training(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many broken files are counted and named, a disk too small is foretold: one line, and no run is stored."""
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
        told = str(refused(*COMMAND, "--data-dir", "imagenet"))
    assert "are free here; name another folder in DLTH_BENCH_CACHE" in told
    broken = place / "imagenet" / "train" / WNIDS[1] / f"{WNIDS[1]}_10030.JPEG"
    broken.write_bytes(bytes(broken.stat().st_size))
    told = str(refused(*COMMAND, "--data-dir", "imagenet"))
    assert "1 of 48 train images cannot be decoded, more than 1%: n01443537/n01443537_10030 (not an image)" in told
    assert not list(place.glob("*/*/*/result.json"))


def test_a_few_corrupt_images_are_named_and_left_out(place: Path) -> None:
    """Below the share that stops a run, the user reads how many and which before training begins."""
    folder = place / "more"
    broken = f"train/{WNIDS[0]}/{WNIDS[0]}_10030.JPEG"
    write_image_folder(folder, train=60, wnids=WNIDS[:2], changed={broken: b"no image"})
    data = DataSpec(dataset="imagenet", image_size=32, shorter_side=40, pixel_mean=(0.5,) * 3, pixel_std=(0.5,) * 3)
    config = find_protocol("tiny.yaml").configs[0]
    console = Console(file=io.StringIO(), width=200)
    with located("imagenet", folder):
        run_on_two = Run(data=data, config=config, class_ids=WNIDS[:2], seed=0)
        pack_images(protocol_dataset(data), run_on_two, TrainingDisplay(console))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 of 120 train images cannot be decoded and are left out: n01440764/n01440764_10030" in told


def test_the_hub_without_a_token(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a local copy and without access: where the data are, what to do there, and how to name a copy."""
    import huggingface_hub

    def gated(*args: object, **options: object) -> str:
        assert options["revision"] == "49e2ee26f3810fb5a7536bbf732a7b07389a47b5"
        raise OSError("401 Client Error.\nCannot access gated repo")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", gated)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    told = str(refused(*COMMAND))
    assert "https://huggingface.co/datasets/ILSVRC/imagenet-1k: accept its terms there and log in" in told
    assert "--data-dir or DLTH_BENCH_DATA" in told
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_x")
    assert "the Hub says: 401 Client Error." in str(refused(*COMMAND))
