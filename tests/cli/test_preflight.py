"""``run --dry-run`` of a protocol whose costs were never measured: estimates, and what they rest on."""

from __future__ import annotations

import json

import pytest
from command_line import run

COMMAND = (
    "run",
    "--protocol",
    "imagenet-supervised",
    "--subset",
    "imagenet/rs-0",
    "--configs",
    "resnet50",
    "--dry-run",
)


def test_a_resnet50_costs_what_is_published() -> None:
    """Forward is 4.09 billion multiply-adds an image (torchvision's GFLOPS), backward twice that less one gradient."""
    document = json.loads(run(*COMMAND, "--json").stdout)
    (row,) = document["estimates"]
    own, full = row["subset"], row["full"]
    assert own["flops"] / own["images"] == pytest.approx(3 * 2 * 4.09e9, rel=0.03)
    assert own["images"] == 90 * (128_117 // 256) * 256
    assert own["flops"] / full["flops"] == pytest.approx(0.1, rel=0.01)
    hours = own["flops"] / (19.5e12 * document["assumptions"]["utilisation"]) / 3600
    assert own["gpu_hours"]["A100 SXM 80GB"] == pytest.approx(hours)


def test_the_table_says_what_it_assumes() -> None:
    """Peak rates with their source, the share of them, and full data next to the subset."""
    output = " ".join(run(*COMMAND).output.split())
    assert "A100 SXM 80GB 19.5 TFLOP/s" in output
    assert "NVIDIA A100 datasheet" in output
    assert "Full data" in output
    assert "assumed: 50% of the peak rate in single precision without tensor cores" in output


def test_tables_are_whole_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name, number or heading is cut, and what takes seconds is told in seconds."""
    monkeypatch.setenv("COLUMNS", "80")
    configs = "m0-init-bs32,m9-rewind-bs32"
    output = run("run", "-p", "glyphs-stability", "-s", "rs-0", "--configs", configs, "--dry-run").output
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 80
    for whole in ("m9-rewind-bs32", "Images", "Steps", "FLOP full", "a sample", "NVIDIA Ada"):
        assert whole in output
    (line,) = (line for line in output.splitlines() if line.split()[:1] == ["V100"])
    assert " s " in line
    assert " 0.0 " not in line


def test_measurements_and_rounds_are_in_the_estimate() -> None:
    """A ticket with a probe and few shots takes more than its dense training, and nothing of it has to be guessed."""
    document = json.loads(
        run("run", "-p", "glyphs-stability", "-s", "rs-0", "--configs", "m0-init-bs32", "--dry-run", "--json").stdout
    )
    (row,) = document["estimates"]
    dense = 6 * (24 * 48 // 32)
    few_shot, probed = 100, 2 * 20 * (24 * 48 // 64)
    assert row["subset"]["steps"] == 3 * dense + few_shot + probed
    assert row["subset"]["images"] == 3 * dense * 32 + few_shot * 32 + 24 * 48
    assert row["subset"]["at_most"] is False
