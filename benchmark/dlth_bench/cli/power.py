"""``dlth-bench power``: how many seeds, or configs, it takes to tell two subsets apart."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from dlth_bench.cli.shared import options
from dlth_bench.protocols.measurements import size
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol
from dlth_bench.scoring.ceiling import reliability_of
from dlth_bench.scoring.power import Power, power_of_configs, power_of_seeds
from dlth_bench.scoring.sides import Side, reference_side, summarise
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import correlation

_SEEDS = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50)
_CONFIGS = (5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500)


DifferenceOption = Annotated[
    float, typer.Option("--difference", min=0.001, max=1.0, help="The difference of true ρp to be found.")
]
RhoOption = Annotated[float, typer.Option("--rho", min=-1.0, max=1.0, help="True ρp of the better subset.")]
TargetOption = Annotated[
    float, typer.Option("--power", min=0.05, max=0.99, help="The share of experiments that must find it.")
]
StdOption = Annotated[
    float | None,
    typer.Option(
        "--std",
        min=0.0,
        help="Std of one run on a subset, fractions in points. Default: the reference's.",
    ),
]
ExperimentsOption = Annotated[int, typer.Option("--experiments", min=20, help="Simulated for each number of seeds.")]


def power(
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    difference: DifferenceOption = 0.1,
    rho: RhoOption = 0.9,
    target: TargetOption = 0.8,
    std: StdOption = None,
    experiments: ExperimentsOption = 200,
    as_json: options.Json = False,
) -> None:
    """Say how many seeds tell two subsets apart on a protocol's configs, and how many configs it takes beyond these.

    By simulation from the reference's accuracies and their std over seeds.

    Example: dlth-bench power --protocol glyphs-ssl --rho 0.8 --difference 0.1
    """
    if rho - difference < -1:
        raise InputError(f"--difference: {rho:g} less {difference:g} is no correlation")
    spec = find_protocol(protocol)
    reference = _reference(spec)
    subset_std = math.sqrt(reference.run_variance) if std is None else std / spec.metric.shown(1.0)
    worse = rho - difference
    seeds = _until(
        target,
        power_of_seeds(reference, rho, worse, iter(_SEEDS), subset_std=subset_std, experiments=experiments),
    )
    subset, full = _reliabilities(reference, subset_std, len(spec.seeds))
    configs = _until(
        target,
        power_of_configs(rho, worse, iter(_CONFIGS), subset_reliability=subset, reference_reliability=full),
    )
    if as_json:
        given = {"protocol": spec.key, "rho": rho, "difference": difference, "power": target, "std": subset_std}
        found = {"seeds": [asdict(one) for one in seeds], "configs": [asdict(one) for one in configs]}
        typer.echo(json.dumps(given | found, indent=2))
        return
    console = Console(highlight=False)
    console.print(_table("Seeds a config", seeds))
    console.print(Text(_told_seeds(spec, seeds, target, rho, worse, subset_std)))
    console.print(_table("Configs", configs))
    console.print(Text(_told_configs(spec, configs, target, rho, worse)))


def _reference(protocol: Protocol) -> Side:
    if protocol.reference is None:
        raise InputError(f"{protocol.key} has no full-data reference yet; measure it with: dlth-bench reference")
    found = reference_side(protocol.reference, [config.name for config in protocol.configs], protocol.metric)
    side = summarise(found.scores, "reference")
    if found.exact or not side.dof > 0:
        raise InputError(f"{protocol.key} does not say how its reference accuracies spread over seeds")
    if not reliability_of(side) > 0:
        raise InputError(
            f"{protocol.key}: seed noise explains all of the spread over its configs; no ρ can be resolved"
        )
    return side


def _reliabilities(reference: Side, subset_std: float, seeds: int) -> tuple[float, float]:
    """Of a subset with the reference's true spread, and of the reference."""
    full = reliability_of(reference)
    true = full * float(reference.means.var(ddof=1))
    return true / (true + subset_std**2 / seeds), full


def _until(target: float, found: Iterator[Power]) -> list[Power]:
    """Up to the first that reaches the target."""
    reached = []
    for one in found:
        reached.append(one)
        if one.share >= target:
            break
    return reached


def _table(title: str, found: Iterable[Power]) -> Table:
    columns = (Column(name, justify="right") for name in (title, "power"))
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        table.add_row(str(one.count), Text(f"{100 * one.share:.0f} % ± {100 * one.error:.0f}"))
    return table


def _told_seeds(
    protocol: Protocol, found: list[Power], target: float, rho: float, worse: float, subset_std: float
) -> str:
    pair = f"ρp {correlation(rho)} from {correlation(worse)}"
    configs = f"the {len(protocol.configs)} configs of {protocol.key} (run std {size(subset_std, protocol.metric)})"
    last = found[-1]
    if last.share >= target:
        return f"{last.count} seeds tell {pair} on {configs} in {100 * last.share:.0f} % of experiments."
    return (
        f"Not even {last.count} seeds tell {pair} on {configs} in {100 * target:.0f} % of experiments: "
        "seeds on the subset do not help against the reference's own noise."
    )


def _told_configs(protocol: Protocol, found: list[Power], target: float, rho: float, worse: float) -> str:
    pair = f"ρp {correlation(rho)} from {correlation(worse)}"
    last = found[-1]
    if last.share >= target:
        return (
            f"To say so of other configs of their kind, too, takes about {last.count} configs "
            f"with {len(protocol.seeds)} seeds each."
        )
    return f"Not even {last.count} configs tell {pair} for all configs of their kind."
