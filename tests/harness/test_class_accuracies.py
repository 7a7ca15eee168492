"""Per-class accuracies from a reference's results."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.harness.class_accuracies import mean_class_accuracies, read_results
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run

IDS = sorted(class_catalog("glyphs").ids)


def result(protocol: Protocol, config: str, seed: int, accuracies: list[float], **changes: object) -> Result:
    run = Run(data=protocol.data, config=protocol.config(config), class_ids=tuple(IDS), seed=seed)
    document = {
        "run": run.digest,
        "config": config,
        "seed": seed,
        "status": "finished",
        "accuracy": 0.5,
        "class_accuracy": accuracies,
        "cost": {"images": 1, "flops": 1.0, "device_seconds": 1.0},
    }
    return Result.model_validate(document | changes)


def test_mean_is_over_the_finished_seeds_of_the_config(tiny: Protocol) -> None:
    """Each class gets its mean over seeds, under its own ID; other configs, runs and broken ones do not count."""
    rising = [index / len(IDS) for index in range(len(IDS))]
    results = [
        result(tiny, "mae", 0, rising),
        result(tiny, "mae", 1, [1.0] * len(IDS)),
        result(tiny, "moco", 0, [0.0] * len(IDS)),
        result(tiny, "mae", 1, [0.0, 0.0]),
        result(tiny, "mae", 1, [0.0] * len(IDS), run="0" * 64),
        result(tiny, "mae", 0, [0.0] * len(IDS), status="diverged", reason="loss is nan"),
    ]
    means = mean_class_accuracies(tiny, "mae", results)
    assert list(means) == IDS
    assert means[IDS[10]] == pytest.approx((rising[10] + 1) / 2)
    with pytest.raises(InputError, match="supervised"):
        mean_class_accuracies(tiny, "supervised", results)


def test_a_broken_line_is_named(tiny: Protocol, tmp_path: Path) -> None:
    """A results file with a line that is no result is refused with its line."""
    path = tmp_path / "results.jsonl"
    path.write_text(result(tiny, "mae", 0, [0.5]).model_dump_json() + "\n{}\n")
    with pytest.raises(InputError) as caught:
        read_results(path)
    assert caught.value.line == 2
