"""The grid of a protocol on a subset: the one place that enumerates its runs."""

from __future__ import annotations

from collections.abc import Sequence

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.harness.store import Store
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Config, Protocol
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run
from dlth_bench.spec.subset import Subset


def grid_runs(
    protocol: Protocol,
    subset: Subset,
    *,
    seeds: Sequence[int] | None = None,
    configs: Sequence[str] | None = None,
) -> list[Run]:
    """The runs of a protocol on a subset, by config and seed.

    Args:
        seeds: only these; None: the protocol's.
        configs: only these configs, by name; None: all.
    """
    return [
        Run.on(subset, protocol.data, config, seed, replaces=protocol.subset.replaces)
        for config in chosen_configs(protocol, configs)
        for seed in (protocol.seeds if seeds is None else seeds)
    ]


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
