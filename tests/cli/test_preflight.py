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
    assert "A100 SXM 80GB (19.5 TFLOP/s in single precision, NVIDIA A100 datasheet)" in output
    assert "full data" in output
    assert "assumed: 50% of the peak rate" in output
