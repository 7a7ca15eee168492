"""Per-class accuracies from a reference's results."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.harness.class_accuracies import mean_class_accuracies, read_results
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.result import Result

IDS = sorted(class_catalog("glyphs").ids)


def result(config: str, seed: int, accuracies: list[float], **changes: object) -> Result:
    document = {
        "run": "0" * 64,
        "config": config,
        "seed": seed,
        "status": "finished",
        "accuracy": 0.5,
        "class_accuracy": accuracies,
        "cost": {"images": 1, "flops": 1.0, "device_seconds": 1.0},
    }
    return Result.model_validate(document | changes)


def test_mean_is_over_the_finished_seeds_of_the_config(tiny: Protocol) -> None:
    """Each class gets its mean over seeds, under its own ID; other configs, subsets and broken runs do not count."""
    rising = [index / len(IDS) for index in range(len(IDS))]
    results = [
        result("mae", 0, rising),
        result("mae", 1, [1.0] * len(IDS)),
        result("moco", 0, [0.0] * len(IDS)),
        result("mae", 2, [0.0, 0.0]),
        result("mae", 3, [0.0] * len(IDS), status="diverged", reason="loss is nan"),
    ]
    means = mean_class_accuracies(tiny, "mae", results)
    assert list(means) == IDS
    assert means[IDS[10]] == pytest.approx((rising[10] + 1) / 2)
    with pytest.raises(InputError, match="supervised"):
        mean_class_accuracies(tiny, "supervised", results)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    """A results file with a line that is no result is refused with its line."""
    path = tmp_path / "results.jsonl"
    path.write_text(result("mae", 0, [0.5]).model_dump_json() + "\n{}\n")
    with pytest.raises(InputError) as caught:
        read_results(path)
    assert caught.value.line == 2
