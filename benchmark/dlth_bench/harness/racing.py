"""The runs of a subset by config and seed, as racing sees them."""

from __future__ import annotations

import numpy as np

from dlth_bench.harness.grid import chosen_configs, grid_runs
from dlth_bench.harness.store import Store
from dlth_bench.scoring.correlation import FloatArray
from dlth_bench.scoring.racing import left_out
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.subset import Subset


def accuracies(protocol: Protocol, subset: Subset, store: Store, configs: list[str]) -> FloatArray:
    """(configs, seeds) accuracies that the store holds, in the protocol's order; nan where there is none."""
    values = []
    for run in grid_runs(protocol, subset, configs=configs):
        result = store.settled(run.digest)
        values.append(np.nan if result is None or result.accuracy is None else result.accuracy)
    return np.array(values).reshape(-1, len(protocol.seeds))


def wanted(protocol: Protocol, subset: Subset, store: Store, seed: int, configs: list[str] | None = None) -> list[str]:
    """The configs that racing gives a seed to, when all seeds before it are trained.

    Args:
        seed: one of the protocol's.
        configs: those that race; None: all.
    """
    names = [config.name for config in chosen_configs(protocol, configs)]
    without = left_out(accuracies(protocol, subset, store, names))[:, protocol.seeds.index(seed)]
    return [name for name, skipped in zip(names, without, strict=True) if not skipped]
