"""docs/extending.md is executed as it stands, so that whoever follows it ends with something that works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"
_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"\A# file: (\S+)\n")

USE = """
from pathlib import Path
import torch
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.protocols.protocol_file import read_protocol
from dlth_bench.runs.run import Run
from dlth_bench.training.train_run import train_run

torch.set_num_threads(1)
protocol = read_protocol(Path("align.yaml"))
dataset = protocol_dataset(protocol.data)
run = Run(data=protocol.data, config=protocol.configs[0], class_ids=dataset.catalog.ids[:4], seed=0)
result = train_run(run, dataset, device="cpu")
print(result.status, result.accuracy > 0.3)
"""

ALIGN = """
name: align
version: 1
title: One method
budget: epochs
seeds: [0]
data: {dataset: glyphs, images_per_class: 16, pixel_mean: [0.08], pixel_std: [0.25]}
subset: {minimum: 3, maximum: 6}
configs:
  - &align
    name: align
    title: Alignment and uniformity
    backbone: {kind: resnet, widths: [8, 16], blocks: [1, 1]}
    method:
      kind: align_uniform
      views: [&view {crop_scale: [0.6, 1.0]}, *view]
      hidden_dim: 32
      dim: 16
    train: {duration: {epochs: 20}, batch_size: 16, optimizer: {kind: sgd, lr: 0.05}}
    evaluation:
      kind: linear
      features: pooled
      train: {duration: {epochs: 20}, batch_size: 32, optimizer: {kind: sgd, lr: 1.0}}
  - {<<: *align, name: second}
  - {<<: *align, name: third}
"""


def _blocks() -> list[tuple[str, str, str]]:
    """Language, file (empty: none) and text of each block of the page, in order."""
    found = []
    for language, text in _FENCED.findall(PAGE.read_text(encoding="utf-8")):
        named = _NAMED.match(text)
        found.append((language, named.group(1) if named else "", text[named.end() :] if named else text))
    return found


def _python(folder: Path, source: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _edit(path: Path, change: str) -> None:
    """Replace the ``-`` lines of each part by its ``+`` lines; they must stand in the file exactly once."""
    text = path.read_text(encoding="utf-8")
    for part in change.split("@@@\n")[1:]:
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line.startswith("-"))
        after = "".join(line[1:] for line in lines if line.startswith("+"))
        assert text.count(before) == 1, f"{path.name} has no such lines, or has them twice:\n{before}"
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def test_policy_engine_and_protocol_work_together(tmp_path: Path) -> None:
    """The page's script, from top to bottom: an own policy's classes, trained by an own engine under an own grid."""
    script = []
    for language, name, text in _blocks():
        if language == "python" and not name:
            script.append(text)
        elif language == "yaml":
            (tmp_path / name).write_text(text)
    (tmp_path / "extended.py").write_text("\n".join(script))
    shown = _python(tmp_path, ROOT / "benchmark", "-c", "import extended").splitlines()
    assert shown[0].count("U+") == 12
    assert [line.split()[:2] for line in shown[1:4]] == [[f"rate-{rate}", "finished"] for rate in ("02", "2", "20")]
    assert "my-rates@1 has no full-data reference yet" in shown[4]


def test_an_own_method_is_trained(tmp_path: Path) -> None:
    """Its file, spec and network, put into a copy of the package, are all that it takes."""
    shutil.copytree(ROOT / "benchmark", tmp_path / "benchmark", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("protocols", "subsets"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for language, name, text in _blocks():
        if language == "diff":
            _edit(tmp_path / name, text)
        elif language == "python" and name:
            (tmp_path / name).write_text(text)
    (tmp_path / "align.yaml").write_text(ALIGN)
    assert _python(tmp_path, tmp_path / "benchmark", "-c", USE) == "finished True\n"


@pytest.mark.parametrize("language", ["python", "yaml", "diff"])
def test_the_page_has_examples(language: str) -> None:
    """A fence that is misspelt would leave its example out of these tests."""
    assert language in {found for found, _, _ in _blocks()}
