"""Where runs are trained, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from dlth_bench.cli.options import DEVICES, checked_device, worker_count
from dlth_bench.harness.engines.registry import ENGINES, check_engine
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.tuning import Tuning

EngineOption = Annotated[str, typer.Option("--engine", help=f"Where runs are trained: {', '.join(ENGINES)}.")]
EngineOptionsOption = Annotated[
    list[str] | None,
    typer.Option("--engine-option", "-e", help="key=value for slurm or ray, as in docs/clusters.md; repeatable."),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Hand the runs to Slurm and return; see status and collect.")
]


@dataclass(frozen=True)
class Place:
    """Where runs are trained.

    workers: as the user gave it; at_once: how many runs that is here, None when the cluster decides.
    """

    engine: str
    options: tuple[str, ...]
    device: str
    workers: int | None
    at_once: int | None
    detach: bool
    tuning: Tuning = field(default_factory=Tuning)


def chosen_place(
    engine: str,
    options: list[str] | None,
    device: str,
    workers: int | None,
    *,
    detach: bool,
    tuning: Tuning = Tuning(),
) -> Place:
    """Where runs are trained.

    Raises:
        InputError: no such engine or device, a missing library, ``--detach`` without Slurm, or several runs at once
            that each take several devices.
    """
    check_engine(engine)
    if detach and engine != "slurm":
        raise InputError("--detach: only Slurm goes on without this command; use --engine slurm")
    if engine == "local":
        checked = checked_device(device)
        if tuning.devices > 1 and workers not in {None, 1}:
            raise InputError(f"--workers {workers}: runs on {tuning.devices} devices are trained one after the other")
        count = 1 if tuning.devices > 1 else worker_count(workers, checked)
        return Place(engine, tuple(options or ()), checked, count, count, detach, tuning)
    if device not in DEVICES:  # whether there is one is for the nodes to know
        raise InputError(f"--device: {quoted(device)} is none of {', '.join(DEVICES)}")
    return Place(engine, tuple(options or ()), device, workers, workers, detach, tuning)
