"""The full-data reference of a protocol, from runs on all classes."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from dlth_bench.harness.grid import full_data, grid_runs
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.metric import Metric
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.reference import ConfigReference, Cost, Reference
from dlth_bench.spec.result import Result


def full_data_results(
    protocol: Protocol, results: Iterable[Result], configs: Sequence[str] | None = None
) -> list[Result]:
    """The finished runs of the protocol on all classes among the results, under the protocol's config names.

    Args:
        configs: only these, by name; None: all.
    """
    names = {run.digest: run.config.name for run in grid_runs(protocol, full_data(protocol), configs=configs)}
    return [
        result.model_copy(update={"config": names[result.run]})
        for result in results
        if result.run in names and result.status == "finished"
    ]


def make_reference(protocol: Protocol, results: Sequence[Result], date: datetime.date) -> Reference:
    """The reference that finished runs on all classes amount to, with hardware, versions and commit.

    Args:
        date: day of the measurement.

    Raises:
        InputError: a config has fewer than three finished seeds that say the protocol's metric.
    """
    by_config: dict[str, list[Result]] = {config.name: [] for config in protocol.configs}
    for result in results:
        if result.status == "finished" and result.value(protocol.metric) is not None:
            by_config[result.config].append(result)
    for name, found in by_config.items():
        if len(found) < 3:
            raise InputError(f"{name} has {len(found)} finished seeds on all classes; a reference needs at least 3")
    environments = [found.environment for result in by_config.values() for found in result if found.environment]
    return Reference(
        source="measured with dlth-bench reference: all classes, last epoch, each seed its own run",
        date=date,
        hardware=_one_of([f"{found.device}, {found.threads} thread a run" for found in environments]),
        versions={
            "dlth-bench": _one_of([found.package for found in environments]),
            "python": _one_of([found.python for found in environments]),
            "torch": _one_of([found.torch for found in environments]),
            "timm": _one_of([found.timm for found in environments]),
        },
        commit=_one_of([found.commit for found in environments]),
        configs={name: _config_reference(found, protocol.metric) for name, found in by_config.items()},
    )


def _config_reference(results: Sequence[Result], metric: Metric) -> ConfigReference:
    ordered = sorted(results, key=lambda result: result.seed)
    values = [result.value(metric) for result in ordered]
    costs = [result.cost for result in ordered if result.cost is not None]
    return ConfigReference(
        accuracies=tuple(round(value, 6) for value in values if value is not None),
        cost=Cost(
            images=sum(cost.images for cost in costs),
            flops=sum(cost.flops for cost in costs),
            device_seconds=round(sum(cost.device_seconds for cost in costs), 1),
        ),
    )


def _one_of(values: Sequence[str]) -> str:
    """The values that occur, each once: normally one."""
    return "; ".join(dict.fromkeys(values))
