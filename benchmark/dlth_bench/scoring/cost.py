"""What training on the subset saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlth_bench.spec.reference import Cost, Reference
from dlth_bench.spec.scorecard import CostScore


@dataclass(frozen=True)
class Saving:
    """How much cheaper one resource got.

    Attributes:
        fraction: share of the full cost that was saved; negative if the subset cost more.
        factor: full cost / subset cost ("x times cheaper"); inf if the subset cost nothing.
    """

    fraction: float
    factor: float


@dataclass(frozen=True)
class Savings:
    """Savings in each resource of a `Cost`; None where the full cost was not measured.

    Attributes:
        images: training samples drawn.
        flops: floating-point operations of training.
        device_seconds: wall seconds times devices; comparable only on the same kind of device.
    """

    images: Saving | None
    flops: Saving | None
    device_seconds: Saving | None


def savings(subset_total: Cost, full_total: Cost) -> Savings:
    """Compare the cost of all runs on the subset with the cost of the same runs on the full data.

    Args:
        subset_total: summed over configs and seeds.
        full_total: summed over the same configs and as many seeds; a resource that is 0 counts as not measured.
    """
    return Savings(
        images=_saving(subset_total.images, full_total.images),
        flops=_saving(subset_total.flops, full_total.flops),
        device_seconds=_saving(subset_total.device_seconds, full_total.device_seconds),
    )


def cost_score(spent: Mapping[str, Sequence[Cost]], devices: frozenset[str], reference: Reference) -> CostScore | None:
    """Costs of the runs that are there, next to the reference's for as many runs of the same configs.

    Args:
        spent: the cost of each run by config.
        devices: what they ran on; device time is compared only with a reference of the same kind of device.

    Returns:
        None if no run says what it cost.
    """
    if not any(spent.values()):
        return None
    subset = total([(cost, 1.0) for costs in spent.values() for cost in costs])
    parts = [(reference.configs[name], len(costs)) for name, costs in spent.items() if costs]
    if any(entry.cost is None for entry, _ in parts):
        return CostScore(subset=subset, full=None)
    same_device = all(device and device in reference.hardware for device in devices)
    full = total([(entry.cost, runs / max(1, len(entry.accuracies))) for entry, runs in parts if entry.cost])
    saved = savings(subset, full)
    return CostScore(
        subset=subset,
        full=full,
        images_saved=saved.images.fraction if saved.images else None,
        flops_saved=saved.flops.fraction if saved.flops else None,
        device_seconds_saved=saved.device_seconds.fraction if saved.device_seconds and same_device else None,
    )


def total(parts: Sequence[tuple[Cost, float]]) -> Cost:
    """The weighted sum of costs."""
    return Cost(
        images=round(sum(cost.images * weight for cost, weight in parts)),
        flops=sum(cost.flops * weight for cost, weight in parts),
        device_seconds=sum(cost.device_seconds * weight for cost, weight in parts),
    )


def _saving(subset: float, full: float) -> Saving | None:
    if full == 0:
        return None
    return Saving(fraction=1 - subset / full, factor=full / subset if subset else math.inf)
