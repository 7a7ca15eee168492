"""The plan: which runs a subset needs, which of them are stored, and what the rest will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlth_bench.datasets.catalog import SampleCatalog
from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.protocols.protocol import Config, Cost, Protocol
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from dlth_bench.subsets.find import SubsetFile, find_subset
from dlth_bench.subsets.subset import REPLACED_TEXT, Subset, check_size
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted


def grid_runs(
    protocol: Protocol,
    subset: Subset,
    *,
    exponent: float = 0.0,
    seeds: Sequence[int] | None = None,
    configs: Sequence[str] | None = None,
) -> list[Run]:
    """The runs of a protocol on a subset, by config and seed.

    Args:
        exponent: of the training's length, one of the protocol's.
        seeds: only these; None: the protocol's.
        configs: only these configs, by name; None: all.
    """
    factor = length_factor(protocol, subset, exponent)
    return [
        Run.on(subset, protocol.data, config.lengthened(factor), seed, replaces=protocol.subset.replaces)
        for config in chosen_configs(protocol, configs)
        for seed in (protocol.seeds if seeds is None else seeds)
    ]


def length_factor(protocol: Protocol, subset: Subset, exponent: float) -> float:
    """How many times the epochs of the full data's training the subset's has.

    Raises:
        InputError: the protocol has no such exponent.
    """
    if exponent not in protocol.exponents:
        known = ", ".join(f"{one:g}" for one in protocol.exponents)
        raise InputError(f"exponent {exponent:g}: {protocol.key} takes {known}")
    return float((1 / cost_share(protocol, subset)) ** exponent) if exponent else 1.0


def full_data(protocol: Protocol) -> Subset:
    """The subset of all classes, which the protocol's reference is measured on."""
    catalog = class_catalog(protocol.data.dataset)
    return Subset(dataset=catalog.dataset, ids=catalog.ids)


def chosen_configs(protocol: Protocol, names: Sequence[str] | None) -> tuple[Config, ...]:
    """The protocol's configs of the given names, in the protocol's order; None: all.

    Raises:
        InputError: one that the protocol does not have, or an empty list.
    """
    known = [config.name for config in protocol.configs]
    if names is not None and not names:
        raise InputError(f"no config given; {protocol.key} has {', '.join(known)}")
    for name in names or ():
        if name not in known:
            raise InputError(f"{protocol.key} has no config {quoted(name)}; it has {', '.join(known)}")
    return tuple(config for config in protocol.configs if names is None or config.name in names)


def stored_result(store: Store, run: Run) -> Result | None:
    """The stored result of a run, under the name that the run's protocol gives the config.

    The same recipe may be called something else in another protocol, or in a newer version of this one.
    """
    result = store.result(run.digest)
    return None if result is None else result.model_copy(update={"config": run.config.name})


@dataclass(frozen=True)
class PlannedRun:
    """A run of a protocol and what it is expected to take; ``expected`` is None without a measured reference."""

    run: Run
    expected: Cost | None
    stored: bool


@dataclass(frozen=True)
class Plan:
    """All runs of one subset under one protocol, at one length of training."""

    protocol: Protocol
    subset: Subset
    exponent: float
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
    exponent: float = 0.0,
    seeds: Sequence[int] | None = None,
    configs: Sequence[str] | None = None,
) -> Plan:
    """Expand protocol x subset x seeds into runs and look each up in the store.

    Args:
        exponent: of the training's length, one of the protocol's.
        seeds: only these of the protocol's seeds; None: all.
        configs: only these configs, by name; None: all.

    Raises:
        InputError: a config or an exponent that the protocol does not have.
    """
    share = cost_share(protocol, subset) * length_factor(protocol, subset, exponent)
    planned = [
        PlannedRun(run, expected_cost(protocol, run.config, share), stored=store.settled(run.digest) is not None)
        for run in grid_runs(protocol, subset, exponent=exponent, seeds=seeds, configs=configs)
    ]
    return Plan(protocol, subset, exponent, share, tuple(planned))


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


def subset_for(name_or_path: str, protocol: Protocol) -> SubsetFile:
    """The subset of a name or in a file, if the protocol takes it.

    Raises:
        InputError: it is no valid subset of the protocol's training data, or has too few or too many members.
    """
    file = find_subset(name_or_path, protocol.data.dataset, protocol.data.images_per_class)
    check_subset(file.subset, protocol, source=file.path)
    return file


def check_subset(subset: Subset, protocol: Protocol, *, source: Path | str | None = None) -> None:
    """Raise InputError unless the subset is of a unit and size that the protocol takes and fills every config's batch.

    Whether the dataset has its classes and samples is not looked at.
    """
    where = None if source is None else printable(str(source))
    rule = protocol.subset if subset.unit == "class" else protocol.subset.samples
    if rule is None:
        raise InputError(f"lists samples, but {protocol.key} takes class subsets only", source=where)
    replaces = protocol.subset.replaces
    if subset.unit == "class" and replaces != "training":
        message = (
            f"lists classes, but under {protocol.key} a subset replaces {REPLACED_TEXT[replaces]}: it lists samples"
        )
        raise InputError(message, source=where)
    check_size(subset, rule, source=source)
    if len(subset.class_ids) < 2:
        raise InputError(f"all samples are of class {subset.class_ids[0]}; two classes are needed", source=where)
    samples = Run.on(subset, protocol.data, protocol.configs[0], seed=0).samples
    for config in protocol.configs:
        stages = [config.train] if config.evaluation is None else [config.train, config.evaluation.train]
        batch = max(stage.batch_size for stage in stages)
        trained = None if samples is None else config.train.trained_samples(samples)
        if trained is not None and trained < batch:
            message = f"has {trained} training samples, but {config.name} trains in batches of {batch}"
            raise InputError(message, source=where)


def check_samples(subset: Subset, samples: SampleCatalog, *, source: Path | str | None = None) -> None:
    """Raise InputError unless all samples of a sample subset are among those there are to choose from."""
    stray = next((item for item in subset.ids if samples.index(item) is None), None)
    if stray is not None:
        first = samples.images_per_class
        known = "training samples" if first is None else f"first {first} training samples of its class"
        where = None if source is None else printable(str(source))
        raise InputError(f"{quoted(stray, 120)} is not among the {known} in {samples.dataset}", source=where)
