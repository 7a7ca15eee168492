"""The examples work as they stand, so that whoever copies one starts from something that runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
GRID = EXAMPLES / "own_grid"


def _run(folder: Path, *words: str) -> str:
    """What a Python program prints that is started in a folder; it must end well."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "benchmark"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_list_is_scored_in_python(tmp_path: Path) -> None:
    """Progress is told while runs are trained; the second call trains nothing and says the same."""
    words = (str(EXAMPLES / "score_a_subset.py"), "--protocol", str(GRID / "my-grid.yaml"))
    chosen = ("--classes", *"ABCDEFGHIJ", "--store", str(tmp_path / "runs"))
    first = _run(tmp_path, *words, *chosen).splitlines()
    second = _run(tmp_path, *words, *chosen).splitlines()
    assert first[0] == "12 of 12 runs to train"
    assert second == first[-6:]
    assert second[-2].startswith("rank correlation ")


def test_commands_of_the_own_grid(tmp_path: Path) -> None:
    """Whoever types the page from top to bottom gets a scorecard; the reference is measured by a slow test."""
    commands = re.findall(r"^ *dlth-bench (.*)$", (GRID / "README.md").read_text(), flags=re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        if command.startswith("reference"):
            continue
        shown = _run(tmp_path, "-m", "dlth_bench", *command.replace("examples/", f"{EXAMPLES}/").split())
    assert "Spearman" in shown


def test_a_subset_trains_a_network_of_torchvision(tmp_path: Path) -> None:
    """Only the images of the listed classes are taken, with labels from 0."""
    for wnid in ("n01440764", "n01443537", "n01484850"):
        (tmp_path / "train" / wnid).mkdir(parents=True)
        for number in range(4):
            noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "train" / wnid / f"{number}.JPEG")
    (tmp_path / "two.txt").write_text("n01443537\nn01484850\n")
    script = str(EXAMPLES / "train_on_a_subset.py")
    shown = _run(tmp_path, script, "--data", "train", "--subset", "two.txt", "--batch-size", "4")
    assert shown.startswith("8 images of 2 classes\n")
    assert "loss of the last batch" in shown


def test_an_own_dataset_is_known_by_its_entry(tmp_path: Path) -> None:
    """The entry and reader of the example give the images of classes, checked and counted like any others."""
    program = (
        "import own_dataset, dlth_bench; from pathlib import Path;"
        "from dlth_bench.datasets.registry import class_catalog, dataset_named, sample_catalog;"
        "Path('grid.yaml').write_text(own_dataset.GRID); print(len(dlth_bench.load_protocol('grid.yaml').configs));"
        "images = dataset_named('digits').load('val', ('7', '3')).images;"
        "print(images.shape, class_catalog('digits').position('seven'));"
        "print(len(sample_catalog('digits')))"
    )
    shown = _run(tmp_path, "-c", f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); {program}")
    assert shown == "4\n(100, 1, 8, 8) 7\n1297\n"


@pytest.mark.slow
def test_an_own_dataset_is_trained_and_scored(tmp_path: Path) -> None:
    """Processes that train know a dataset that the script registers."""
    shown = _run(tmp_path, str(EXAMPLES / "own_dataset.py"))
    assert "rank correlation" in shown


@pytest.mark.slow
def test_the_reference_of_the_own_grid_is_what_the_command_prints(tmp_path: Path) -> None:
    """The block in the file has the accuracies that its command gives."""
    shown = _run(tmp_path, "-m", "dlth_bench", "reference", "--protocol", str(GRID / "my-grid.yaml"))
    accuracies = re.compile(r"^ +- (0\.\d+)$", flags=re.MULTILINE)
    found = [float(text) for text in accuracies.findall(shown)]
    assert found == pytest.approx([float(text) for text in accuracies.findall((GRID / "my-grid.yaml").read_text())])
