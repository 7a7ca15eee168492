"""What a run takes before any of it was measured, for ``run --dry-run``: estimates per config, on GPUs by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.datasets.registry import class_catalog, image_dataset, is_packed, published_train_images
from dlth_bench.harness.plan import Plan
from dlth_bench.leaderboard.number_text import count
from dlth_bench.spec.protocol import Config, Protocol
from dlth_bench.spec.quoting import printable

if TYPE_CHECKING:  # it imports torch
    from dlth_bench.training.preflight import Estimate

UTILISATION = 0.5
"""Assumed share of the peak rate that training reaches; not measured."""


@dataclass(frozen=True)
class GPU:
    """A GPU's peak rate in single precision without tensor cores, in which runs are trained, and its memory."""

    name: str
    tflops: float
    gigabytes: int
    source: str


GPUS = (
    GPU("V100 SXM2 32GB", 15.7, 32, "NVIDIA V100 datasheet"),
    GPU("A100 SXM 80GB", 19.5, 80, "NVIDIA A100 datasheet"),
    GPU("RTX 4090", 82.6, 24, "NVIDIA Ada architecture whitepaper"),
    GPU("H100 SXM 80GB", 67.0, 80, "NVIDIA H100 datasheet"),
    GPU("H200 SXM 141GB", 67.0, 141, "NVIDIA H200 datasheet"),
)

LARGE_SIDE = 224
"""Side in pixels from which views are cut where images have different sizes; views have the protocol's own sizes."""


def can_estimate(protocol: Protocol) -> bool:
    """Whether costs are unknown and can be estimated: of images whose number is published or set by the protocol."""
    measured = protocol.reference is not None and all(row.cost for row in protocol.reference.configs.values())
    return not measured and protocol.configs[0].method.kind != "text" and _full_samples(protocol) is not None


def estimates(plan: Plan) -> list[dict[str, Any]]:
    """Of each config of the plan, one run on the subset beside one on the full data."""
    protocol = plan.protocol
    full = _full_samples(protocol) or 0
    samples = plan.subset.samples or round(full * len(plan.subset.class_ids) / len(class_catalog(plan.subset.dataset)))
    names = {planned.run.config.name for planned in plan.planned}
    configs = [config for config in protocol.configs if config.name in names]
    found = [_both(config, protocol, samples, full) for config in configs]
    return [
        {
            "config": subset.config,
            "subset": subset.model_dump(exclude={"config"}) | {"gpu_hours": _gpu_hours(subset)},
            "full": whole.model_dump(exclude={"config"}) | {"gpu_hours": _gpu_hours(whole)},
        }
        for subset, whole in found
    ]


def assumptions() -> dict[str, Any]:
    """What the estimates rest on."""
    return {"utilisation": UTILISATION, "precision": "float32", "gpus": [asdict(gpu) for gpu in GPUS]}


def show_estimates(rows: list[dict[str, Any]], runs: int, console: Console) -> None:
    """The tables of ``run --dry-run``: each config once, subset against full data; then the GPUs and the sum.

    Args:
        runs: seeds of each config.
    """
    table = Table("Config", "Images", "Steps", "FLOP", "Full FLOP", "Memory", "a sample", *(gpu.name for gpu in GPUS))
    for row in rows:
        own, full = row["subset"], row["full"]
        hours = [f"{value:,.1f}" for value in own["gpu_hours"].values()]
        memory = f"{count(own['fixed_bytes'])}B", f"{count(own['image_bytes'])}B"
        flops = count(own["flops"]), count(full["flops"])
        table.add_row(
            Text(printable(row["config"])), count(own["images"]), f"{own['steps']:,}", *flops, *memory, *hours
        )
    console.print(table)
    console.print(Text("one seed each; GPU-hours on the subset under each GPU's name"), soft_wrap=True)
    for gpu in GPUS:
        own, full = (runs * sum(row[side]["gpu_hours"][gpu.name] for row in rows) for side in ("subset", "full"))
        rate = f"{gpu.tflops:g} TFLOP/s in single precision, {gpu.source}"
        console.print(Text(f"{gpu.name} ({rate}): {own:,.0f} GPU-hours; full data {full:,.0f}"), soft_wrap=True)
    told = f"assumed: {UTILISATION:.0%} of the peak rate; Memory is what a run keeps whatever its batch"
    console.print(Text(f"{told}, and what it adds for each sample of a micro-batch"), soft_wrap=True)


def _both(config: Config, protocol: Protocol, samples: int, full: int) -> tuple[Estimate, Estimate]:
    from dlth_bench.training import preflight  # torch: slow to import

    data = protocol.data
    side = data.image_size or (LARGE_SIDE if is_packed(data.dataset) else image_dataset(data.dataset).image_size)
    classes = len(class_catalog(data.dataset))
    own, whole = preflight.estimates(config, data, samples=(samples, full), classes=classes, image_size=side)
    return own, whole


def _full_samples(protocol: Protocol) -> int | None:
    data = protocol.data
    if data.images_per_class is not None:
        return data.images_per_class * len(class_catalog(data.dataset))
    return published_train_images(data.dataset)


def _gpu_hours(one: Estimate) -> dict[str, float]:
    return {gpu.name: one.flops / (gpu.tflops * 1e12 * UTILISATION) / 3600 for gpu in GPUS}
