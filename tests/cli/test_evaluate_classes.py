"""``dlth-bench evaluate-classes``: accuracies of each class from a config, a run, or a pretrained model."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
import timm
import torch
from command_line import GLYPHS_SSL, refused, run
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.store import Store
from dlth_bench.selection.accuracies import read_class_accuracies
from dlth_bench.subsets.find import read_subset
from dlth_bench.subsets.subset import Subset
from image_folders import make_folder
from tiny_grid import CLASSES, broken, finished

IMAGENET = class_catalog("imagenet")


def test_config_of_the_reference(tmp_path: Path) -> None:
    """A shipped protocol's config is one command away from a table that select takes."""
    printed = run("evaluate-classes", "--config", "mae-finetune", "-o", tmp_path / "t.csv").output
    assert printed == f"{tmp_path / 't.csv'}: 246 classes\n"
    assert len(read_class_accuracies(tmp_path / "t.csv", class_catalog("glyphs"))) == 246


def test_stored_run(tiny: Protocol, tmp_path: Path) -> None:
    """A run of the store, on all classes or on a subset, by the first digits of its digest."""
    store = Store(tmp_path / "runs")
    one, other = grid_runs(tiny, Subset(dataset="glyphs", ids=CLASSES), configs=["moco"])
    accuracies = {"class_accuracy": (0.25, 0.5, 0.75, 1.0), "class_counts": (4, 4, 4, 4)}
    store.save(one, finished(one, 0.625).model_copy(update=accuracies))
    store.save(other, broken(other, "failed", "disk full"))
    table = tmp_path / "t.csv"
    command = ("evaluate-classes", "--out", store.root, "-o", table, "--run")
    printed = run(*command, one.digest[:12]).output
    assert printed == f"{table}: 4 of 246 classes of glyphs, moco seed 0, top-1 62.5 %\n"
    assert table.read_text().splitlines() == [
        "class,accuracy",
        "U+0041,0.250000",
        "U+0042,0.500000",
        "U+0043,0.750000",
        "U+0044,1.000000",
    ]
    table.unlink()
    assert "is of a run that failed, without accuracies: disk full" in str(refused(*command, other.digest[:12]))
    assert "holds no run" in str(refused(*command, "0" * 64))
    assert not table.exists()


@dataclass(frozen=True)
class Example:
    """An ImageNet of one image a class, weights of a tiny random model, and what it says of each class's image."""

    folder: Path
    weights: Path
    said: list[int]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Each image lies in the folder of the class that the model takes it for, if no other image lies there."""
    folder = tmp_path_factory.mktemp("imagenet")
    files = sorted(make_folder(folder / "unsorted", ["all"], images_per_class=1000).rglob("*.JPEG"))
    torch.manual_seed(1)
    model = timm.create_model("test_vit").eval()
    torch.nn.init.normal_(model.head.weight)
    save_file(model.state_dict(), folder / "model.safetensors")
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    place: dict[int, tuple[Path, int]] = {}
    rest: list[tuple[Path, int]] = []
    with torch.inference_mode():
        for start in range(0, len(files), 100):
            some = files[start : start + 100]
            answers = model(torch.stack([transform(Image.open(file)) for file in some])).argmax(1)
            for file, answer in zip(some, answers.tolist(), strict=True):
                if place.setdefault(answer, (file, answer))[0] != file:
                    rest.append((file, answer))
    said = []
    for label, wnid in enumerate(IMAGENET.ids):
        file, answer = place[label] if label in place else rest.pop()
        said.append(answer)
        (folder / "val" / wnid).mkdir(parents=True)
        file.rename(folder / "val" / wnid / "image.JPEG")
    return Example(folder, folder / "model.safetensors", said)


def command(example: Example, *more: object) -> tuple[object, ...]:
    options = ("--weights", example.weights, "--device", "cpu", "--workers", 0)
    return ("evaluate-classes", "--model", "timm:test_vit", *options, *more)


def test_pretrained_model(example: Example, tmp_path: Path) -> None:
    """The table holds what the model says image by image, output k being the k-th WordNet ID; select takes it."""
    table = tmp_path / "t.csv"
    printed = run(*command(example, "--data-dir", example.folder, "-o", table)).output
    right = [int(answer == label) for label, answer in enumerate(example.said)]
    assert 5 < sum(right) < 995
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows == [
        {"index": str(index), "wnid": wnid, "correct": str(right[index]), "total": "1"}
        for index, wnid in enumerate(sorted(IMAGENET.ids))
    ]
    assert f"({sum(right)} of 1000 images)" in printed
    chosen = tmp_path / "easy.txt"
    run("select", "pd-top", "-d", "imagenet", "-n", sum(right), "--accuracies", table, "-o", chosen)
    assert read_subset(chosen).subset.ids == tuple(sorted(IMAGENET.ids[k] for k in range(1000) if right[k]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give one of --config, --run, --model; none given"),
        (["--config", "a", "--run", "b"], "give one of --config, --run, --model; --config and --run given"),
        (["--run", "b", "--data-dir", "."], "--data-dir means nothing to --run; it is an option of --model"),
        (["--model", "timm:test_vit", "--results", "."], "--results means nothing to --model"),
        (["--model", "timm:test_vit"], "--data-dir is needed: the folder of the images of imagenet"),
        (["--model", "timm:test_vit", "-d", "glyphs", "--data-dir", "."], "--model is for classifiers of imagenet"),
        (["--model", "timm:test_vit", "--data-dir", "."], "holds no class folder; expected DIR/val/n01440764/*"),
        (["--config", "nobody"], f"{GLYPHS_SSL} has no config 'nobody'"),
    ],
)
def test_bad_input(arguments: list[object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not go together is said before anything is loaded, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert words in str(refused("evaluate-classes", "-o", "t.csv", *arguments))
    assert list(tmp_path.iterdir()) == []
