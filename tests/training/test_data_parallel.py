"""Runs trained by two processes, on parts of every batch, are the runs of one process up to rounding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from every_method import EVERY, NAMES, STEPS, train_named
from safetensors.torch import load_file

import dlth_bench
from dlth_bench.runs.run import Result

SCRIPT = Path(__file__).parent / "every_method.py"
QUICK = ("mixing-odd", "simclr-odd")
"""A loss that is a mean over samples and one that compares them, with batch norm and parts of unequal size."""


def two_processes(results: Path, *arguments: str) -> dict[str, Result | None]:
    """The results of the script's configs, trained by two processes under torchrun."""
    source = str(Path(dlth_bench.__file__).parents[1])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    environment = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(SCRIPT), str(results), *arguments], check=True, env=environment, timeout=600)
    documents = json.loads(results.read_text())
    return {name: None if found is None else Result.model_validate(found) for name, found in documents.items()}


def assert_same_losses(found: Result, expected: Result) -> None:
    """Curves of all stages and accuracies, up to what rounding makes of them in a few steps."""
    assert found.status == expected.status == "finished"
    assert found.curves.pretrain_loss == pytest.approx(expected.curves.pretrain_loss, rel=1e-3, abs=1e-4)
    assert found.curves.evaluation_loss == pytest.approx(expected.curves.evaluation_loss, rel=1e-3, abs=1e-4)
    assert found.accuracy == pytest.approx(expected.accuracy, abs=0.02)
    assert found.cost is not None and expected.cost is not None
    assert (found.cost.images, found.cost.flops) == (expected.cost.images, expected.cost.flops)


def _compared(names: tuple[str, ...], folder: Path) -> None:
    found = two_processes(folder / "results.json", *names, "--folder", str(folder / "two"))
    for name in names:
        (folder / "one" / name).mkdir(parents=True)
        expected, together = train_named(name, folder=folder / "one" / name), found[name]
        assert expected is not None and together is not None
        assert_same_losses(together, expected)
        assert together.environment is not None
        assert together.environment.devices == 2
        assert together.notes[0] == "pretrain from step 1: 2 devices"
        if name != "text" and EVERY[name].train.optimizer.kind != "sgd":
            continue  # Adam makes whole steps of gradients that are zero but for rounding
        states = [load_file(folder / kind / name / "pretrain.safetensors") for kind in ("one", "two")]
        for key, tensor in states[0].items():  # batch-norm statistics, queues and centres, too
            torch.testing.assert_close(states[1][key], tensor, rtol=1e-2, atol=1e-3, msg=f"{name}: {key}")


def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    """Losses, weights and statistics of a few steps agree, and the result says that two devices trained it."""
    _compared(QUICK, tmp_path)


@pytest.mark.slow
def test_every_method_is_the_same_on_two_processes(tmp_path: Path) -> None:
    """Of each method and all that draws or couples samples: same batches, same draws, same losses."""
    _compared(NAMES, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dino", "moco", "swav"])
def test_a_run_goes_on_with_another_number_of_devices(tmp_path: Path, name: str) -> None:
    """One process, then two, then one: the losses are those of a run that nobody stopped, and the notes tell."""
    folder = tmp_path / "runs" / name
    folder.mkdir(parents=True)
    assert train_named(name, folder=folder, stop=2) is None
    stopped = two_processes(tmp_path / "results.json", name, "--folder", str(folder.parent), "--stop", "4")
    assert stopped == {name: None}
    resumed, whole = train_named(name, folder=folder), train_named(name)
    assert resumed is not None and whole is not None
    assert_same_losses(resumed, whole)
    assert resumed.curves.pretrain_steps == tuple(range(1, STEPS + 1))
    assert resumed.notes == ("pretrain from step 2: 2 devices", "pretrain from step 4: plainly")
