"""What training on the subset saved."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dlth_bench.spec.protocol import Cost


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


def _saving(subset: float, full: float) -> Saving | None:
    if full == 0:
        return None
    return Saving(fraction=1 - subset / full, factor=full / subset if subset else math.inf)
