"""``dlth-bench run`` on several devices: by torchrun, by its own processes, and as a smoke test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import refused

import dlth_bench
from dlth_bench.cli.shared.train import PlaceOptions
from dlth_bench.runs.run import Result
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from tiny_grid import CLASSES

ALONE = (sys.executable, "-m", "dlth_bench")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", "-m", "dlth_bench")


def _output(command: tuple[str, ...], *arguments: str) -> str:
    source = str(Path(dlth_bench.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _one_run(protocol: Path, folder: Path) -> tuple[str, ...]:
    """The arguments that train one config on four classes with one seed."""
    subset = folder / "four.txt"
    subset.write_text("".join(f"{name}\n" for name in CLASSES))
    options = ("run", "--protocol", str(protocol), "--subset", str(subset), "--device", "cpu")
    return (*options, "--configs", "supervised", "--seeds", "0", "--submissions", str(folder / "none"))


def _result(store: Path) -> Result:
    (path,) = store.glob("*/*/result.json")
    result = Store(store).result(path.parent.name)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--devices", "2", "--workers", "2"), "--workers 2: runs on 2 devices are trained one after the other"),
        (("--devices", "2", "--engine", "ray"), "--engine ray: 2 devices is for the local engine; see docs/scale.md"),
    ],
)
def test_options_that_exclude_each_other(tiny_file: Path, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    """One line says which and why, before anything is trained."""
    pytest.importorskip(options[-1] if options[-1] == "ray" else "typer")
    assert said in str(refused(*_one_run(tiny_file, tmp_path), *options))


def test_torchrun_says_how_many_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number than that of its processes is refused; without one it is theirs."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "some")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert PlaceOptions().tuning.devices == 4
    with pytest.raises(InputError, match="--devices 2: torchrun started 4 processes"):
        PlaceOptions(devices=2).tuning  # noqa: B018 - it is computed when it is asked for


@pytest.mark.slow
def test_a_run_on_two_devices_is_stored_once_and_is_the_same(tiny_file: Path, tmp_path: Path) -> None:
    """By torchrun and by --devices: one result, one output, what one process computes; again, nothing is trained.

    One process adds up the halves of its batches, too: over hundreds of steps of Adam another order of additions alone
    takes losses apart.
    """
    options, expected = _one_run(tiny_file, tmp_path), None
    ways = (("one", ALONE, ("--micro-batch", "8")), ("torchrun", TORCHRUN, ()), ("own", ALONE, ("--devices", "2")))
    for name, command, more in ways:
        store = tmp_path / name
        output = _output(command, *options, *more, "--out", str(store))
        assert output.count("1 of 1 runs to train") == 1
        result = _result(store)
        assert not list(store.glob("*/*/*.safetensors")) and not list(store.glob("*/*/heartbeat.json"))
        if expected is None:
            expected = result
        else:
            assert result.notes == ("pretrain from step 1: 2 devices",)
        assert result.curves.pretrain_loss == pytest.approx(expected.curves.pretrain_loss, rel=1e-4)
        assert result.accuracy == expected.accuracy
    assert "runs to train" not in _output(TORCHRUN, *options, "--out", str(tmp_path / "torchrun"))


@pytest.mark.slow
def test_a_smoke_test_by_torchrun_has_the_losses_of_one_process(tiny_file: Path) -> None:
    """Every config runs on two processes, the report comes once, and losses agree up to rounding."""
    options = ("run", "--smoke", "--protocol", str(tiny_file), "--device", "cpu", "--json")
    one, two = (json.loads(_output(command, *options)) for command in (ALONE, TORCHRUN))
    for alone, together in zip(one["configs"], two["configs"], strict=True):
        assert alone["ran"] and together["ran"], together
        assert together["losses"] == pytest.approx(alone["losses"], rel=1e-4)


@pytest.mark.slow
def test_other_commands_are_done_by_the_first_process(tiny_file: Path) -> None:
    """Under torchrun a command that trains nothing is done once."""
    assert _output(TORCHRUN, "protocols", "list") == _output(ALONE, "protocols", "list")
