"""``dlth-bench record-dynamics``: from training to a file that the policies read, or no file at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import refused, run

from dlth_bench.datasets.registry import sample_catalog
from dlth_bench.engines import record_dynamics as dynamics
from dlth_bench.runs.dynamics_file import read_dynamics
from tiny_grid import CLASSES


@pytest.fixture
def four(tmp_path: Path) -> Path:
    path = tmp_path / "four.txt"
    path.write_text("".join(f"{item}\n" for item in CLASSES))
    return path


def test_from_training_to_a_subset(tiny_file: Path, four: Path, tmp_path: Path) -> None:
    """The fine-tuning of an MAE is recorded epoch by epoch, and every policy on dynamics can choose from it."""
    output = tmp_path / "out" / "mae.safetensors"
    options = ("--protocol", tiny_file, "--subset", four, "--seed", 1, "--device", "cpu")
    printed = run("record-dynamics", "--config", "mae", *options, "-o", output).output
    assert f"{output}: 15 epochs of 64 samples, mae seed 1: top-1 " in printed
    read = read_dynamics(output)
    assert (read.header.config, read.header.stage, read.header.convention) == ("mae", "finetune", "epoch-end")
    assert (read.header.protocol, read.header.seed, len(read.header.run)) == ("tiny@1", 1, 64)
    assert read.header.class_ids == CLASSES
    correct = [row.mean() for row in read.correct()]
    assert correct[-1] > correct[0]  # it learned, so rows are in the order of the epochs
    for policy in ("forgetting", "el2n", "entropy", "svp", "kcenter", "herding", "easy", "hard"):
        chosen = tmp_path / f"{policy}.txt"
        run("select", policy, "-n", 16, "--dynamics", output, "--protocol", tiny_file, "-o", chosen)
        assert chosen.read_text().startswith(f"# {policy}, 16 of 64 samples of glyphs, ")


def test_of_a_sample_subset(tiny_file: Path, tmp_path: Path) -> None:
    """Training on some of the samples, just these are recorded, in the dataset's order."""
    ids = sample_catalog("glyphs", 16).sample_ids
    some = [item for item in ids if item.startswith(CLASSES)][1::2]
    (tmp_path / "some.txt").write_text("".join(f"{item}\n" for item in some))
    output = tmp_path / "some.safetensors"
    options = ("--protocol", tiny_file, "--subset", tmp_path / "some.txt", "--device", "cpu", "--config", "supervised")
    assert "30 epochs of 32 samples" in run("record-dynamics", *options, "-o", output).output
    assert list(read_dynamics(output).samples.sample_ids) == some


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "moco"], "config moco trains its backbone without labels: there are no dynamics to record; "),
        (["--config", "moco"], "tiny@1 has mae, supervised with labels"),
        (["--config", "mocca"], "tiny@1 has no config 'mocca'; it has moco, mae, supervised"),
        (["--config", "supervised", "--convention", "minibatch"], "mixes samples, which leaves none with a label"),
        (["--config", "mae", "--device", "tpu"], "--device: 'tpu' is none of auto, cpu, cuda, mps"),
    ],
)
def test_refused(arguments: list[str], words: str, tiny_file: Path, tmp_path: Path) -> None:
    """What cannot be recorded is said before training, and nothing is written."""
    output = tmp_path / "mine.safetensors"
    assert words in refused("record-dynamics", "--protocol", tiny_file, *arguments, "-o", output).located
    assert not output.exists()


def test_interrupt_leaves_no_file(tiny_file: Path, four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of the training: exit code 130, a line, and no file, not even a temporary one."""
    original = dynamics.record_run

    def interrupted(*arguments: object, report: object, **options: object) -> object:
        def report_once(stage: str, step: int, total: int) -> None:
            raise KeyboardInterrupt

        return original(*arguments, report=report_once, **options)

    monkeypatch.setattr("dlth_bench.cli.record_dynamics.record_run", interrupted)
    output = tmp_path / "out" / "mine.safetensors"
    options = ("--protocol", tiny_file, "--subset", four, "--device", "cpu", "--config", "supervised")
    assert "stopped; nothing was written" in run("record-dynamics", *options, "-o", output, code=130).output
    assert not output.parent.exists()


def test_diverged_training_leaves_no_file(tiny_file: Path, four: Path, tmp_path: Path) -> None:
    """A model whose loss is no number has no dynamics: exit code 1, the reason, and no file."""
    absurd = tmp_path / "absurd.yaml"
    absurd.write_text(tiny_file.read_text().replace("{kind: adamw, lr: 0.002}", "{kind: adamw, lr: 1.0e+30}"))
    output = tmp_path / "mine.safetensors"
    options = ("--protocol", absurd, "--subset", four, "--device", "cpu", "--config", "supervised")
    assert "nothing was written: supervised seed 0: " in run("record-dynamics", *options, "-o", output, code=1).output
    assert not output.exists()
