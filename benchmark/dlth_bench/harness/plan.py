"""The plan: which runs a subset needs, which of them are stored, and what the rest will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.harness.grid import grid_runs
from dlth_bench.harness.store import Store
from dlth_bench.spec.protocol import Config, Protocol
from dlth_bench.spec.reference import Cost
from dlth_bench.spec.run import Run
from dlth_bench.spec.subset import Subset


@dataclass(frozen=True)
class PlannedRun:
    """A run of a protocol and what it is expected to take; ``expected`` is None without a measured reference."""

    run: Run
    expected: Cost | None
    stored: bool


@dataclass(frozen=True)
class Plan:
    """All runs of one subset under one protocol."""

    protocol: Protocol
    subset: Subset
    share: float
    """How much of the full data's cost the subset is expected to take."""
    planned: tuple[PlannedRun, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(planned.run for planned in self.planned)

    @property
    def pending(self) -> tuple[PlannedRun, ...]:
        """What is left to train, longest first, so that no long run is left alone at the end."""
        open_runs = [planned for planned in self.planned if not planned.stored]
        first: list[PlannedRun] = []
        short: list[PlannedRun] = []  # their pretraining is another run's, which is over by then
        begun: set[str | None] = set()
        for planned in sorted(open_runs, key=lambda planned: -_weight(planned)):
            pretraining = planned.run.pretraining_digest
            (short if pretraining is not None and pretraining in begun else first).append(planned)
            begun.add(pretraining)
        return tuple(first + short)

    def expected_seconds(self, workers: int) -> float | None:
        """Wall seconds for the pending runs on ``workers`` devices like the reference's; None when unknown."""
        costs = [planned.expected for planned in self.pending]
        if any(cost is None for cost in costs):
            return None
        seconds = [cost.device_seconds for cost in costs if cost is not None]
        return max(sum(seconds) / workers, max(seconds)) if seconds else 0.0


def _weight(planned: PlannedRun) -> float:
    return 0.0 if planned.expected is None else planned.expected.device_seconds


def make_plan(
    protocol: Protocol,
    subset: Subset,
    store: Store,
    *,
    seeds: Sequence[int] | None = None,
    configs: Sequence[str] | None = None,
) -> Plan:
    """Expand protocol x subset x seeds into runs and look each up in the store.

    Args:
        seeds: only these of the protocol's seeds; None: all.
        configs: only these configs, by name; None: all.

    Raises:
        InputError: a config that the protocol does not have.
    """
    share = cost_share(protocol, subset)
    planned = [
        PlannedRun(run, expected_cost(protocol, run.config, share), stored=store.settled(run.digest) is not None)
        for run in grid_runs(protocol, subset, seeds=seeds, configs=configs)
    ]
    return Plan(protocol, subset, share, tuple(planned))


def cost_share(protocol: Protocol, subset: Subset) -> float:
    """The subset's part of the full data's cost: its part of the classes or samples, or 1 where updates are fixed.

    Where it replaces a part of the training only, at most 1 is all that can be said.
    """
    if protocol.budget != "epochs" or protocol.subset.replaces != "training":
        return 1.0
    if subset.unit == "class":
        return len(subset) / len(class_catalog(protocol.data.dataset))
    return len(subset) / len(sample_catalog(protocol.data.dataset, protocol.data.images_per_class))


def expected_cost(protocol: Protocol, config: Config, share: float) -> Cost | None:
    """The cost of one run that takes a share of the full data's, by the reference's measured one; None without one."""
    if protocol.reference is None:
        return None
    reference = protocol.reference.configs[config.name]
    if reference.cost is None:
        return None
    part = share / max(1, len(reference.accuracies))
    return Cost(
        images=round(reference.cost.images * part),
        flops=reference.cost.flops * part,
        device_seconds=reference.cost.device_seconds * part,
    )
