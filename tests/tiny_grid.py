"""The tiny protocol of ``tiny.yaml``, four classes to run it on, and made-up references and results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dlth_bench.protocols.protocol import ConfigReference, Cost, Protocol, Reference
from dlth_bench.runs.run import Result, Run
from dlth_bench.subsets.subset import Subset

CLASSES = ("U+0041", "U+0042", "U+0043", "U+0044")
SUBSET = Subset(dataset="glyphs", ids=CLASSES)

FULL = {"moco": (0.80, 0.82), "mae": (0.60, 0.62), "supervised": (0.90, 0.91)}
"""Made-up accuracies of the tiny configs on all classes, one a seed."""

SECONDS = {"moco": 20.0, "mae": 60.0, "supervised": 40.0}
"""Made-up device seconds of both seeds on all classes."""


def tiny_text(manifest_digest: str = "0" * 64) -> str:
    """The tiny protocol as YAML, for a dataset of that digest."""
    return (Path(__file__).parent / "tiny.yaml").read_text().replace("MANIFEST", f'"{manifest_digest}"')


def with_reference(protocol: Protocol, accuracies: Mapping[str, tuple[float, ...]] = FULL) -> Protocol:
    """The tiny protocol with a made-up reference."""
    configs = {
        name: ConfigReference(accuracies=values, cost=Cost(images=24_600, flops=2.46e9, device_seconds=SECONDS[name]))
        for name, values in accuracies.items()
    }
    reference = Reference(source="made up", date="2026-01-02", hardware="a [laptop]", configs=configs)
    return protocol.model_copy(update={"reference": reference})


def finished(run: Run, accuracy: float = 0.5) -> Result:
    """A made-up result of a run that went well."""
    cost = Cost(images=100, flops=1e7, device_seconds=0.5)
    identity = {"run": run.digest, "config": run.config.name, "seed": run.seed}
    return Result(**identity, status="finished", accuracy=accuracy, train_accuracy=0.9, cost=cost)


def broken(run: Run, status: str = "diverged", reason: str = "loss is not finite at step 7") -> Result:
    """A made-up result of a run that went wrong."""
    document = {"run": run.digest, "config": run.config.name, "seed": run.seed, "status": status, "reason": reason}
    return Result.model_validate(document)
