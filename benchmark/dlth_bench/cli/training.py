"""Training a plan's open runs with progress on the terminal."""

from __future__ import annotations

import typer
from rich.console import Console

from dlth_bench.cli.engine_options import Place
from dlth_bench.cli.packing import pack_images
from dlth_bench.cli.progress import watch
from dlth_bench.datasets.registry import is_packed, protocol_dataset
from dlth_bench.harness.batch import Grid, Purpose
from dlth_bench.harness.engines.engine import Engine, EngineSettings
from dlth_bench.harness.engines.registry import make_engine
from dlth_bench.harness.plan import Plan
from dlth_bench.harness.shared_pretraining import invite
from dlth_bench.harness.store import Store
from dlth_bench.leaderboard.number_text import duration
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.stored_run import ENCODER_FILE


def train_plan(
    plan: Plan,
    store: Store,
    *,
    place: Place,
    console: Console,
    keep_weights: bool = False,
    purpose: Purpose = "run",
    name: str = "",
) -> int:
    """Train what the store does not hold yet; returns how many of the plan's runs broke down.

    With ``keep_weights`` the encoders stay in the store; stored runs that have none are counted, not trained again.

    An interrupt says how to go on and exits with code 130; with ``place.detach`` the command ends here, with code 0.

    Args:
        purpose, name: the command, and what it calls the subset, for whoever asks for the batch later.

    Raises:
        InputError: the installed dataset is not the one the protocol was frozen with, or the engine is not to be had.
    """
    data = plan.protocol.data
    if data.manifest_digest is not None and protocol_dataset(data).manifest_digest != data.manifest_digest:
        raise InputError(f"the installed dataset {data.dataset} is not the one {plan.protocol.key} was frozen with")
    grid = Grid(purpose=purpose, protocol=plan.protocol, subset=plan.subset, subset_name=name)
    engine = make_engine(place.engine, _settings(plan, store, grid, place, keep_weights))
    if plan.pending:
        store.check_writable()
        if is_packed(data.dataset):
            pack_images(protocol_dataset(data), plan.pending[0].run, console)
        invite([planned.run for planned in plan.pending], store)
        _announce(plan, place, console)
        if place.detach:
            _detach(engine, plan, console)
        _train(engine, plan, place, console)
    lacking = sum(not (store.folder(run.digest) / ENCODER_FILE).exists() for run in plan.runs) if keep_weights else 0
    if lacking:
        told = f"{lacking} stored runs were trained without --keep-weights and have none: use another --out for them"
        console.print(told, highlight=False)
    results = [store.result(run.digest) for run in plan.runs]
    return sum(result is None or result.status != "finished" for result in results)


def _settings(plan: Plan, store: Store, grid: Grid, place: Place, keep_weights: bool) -> EngineSettings:
    expected = {planned.run.digest: planned.expected for planned in plan.pending}
    return EngineSettings(
        store,
        grid,
        workers=place.workers,
        device=place.device,
        keep_weights=keep_weights,
        seconds={digest: cost.device_seconds for digest, cost in expected.items() if cost is not None},
        options=place.options,
        tuning=place.tuning,
    )


def _announce(plan: Plan, place: Place, console: Console) -> None:
    count = f"{len(plan.pending)} of {len(plan.planned)} runs to train"
    if place.at_once is None:
        console.print(f"{count} on {place.engine}", highlight=False)
        return
    expected = plan.expected_seconds(min(place.at_once, len(plan.pending)))
    told = "" if expected is None else f", about {duration(expected)}"
    console.print(f"{count}, {place.at_once} at once{told}", highlight=False)


def _train(engine: Engine, plan: Plan, place: Place, console: Console) -> None:
    try:
        watch(engine.run_all([planned.run for planned in plan.pending]), plan.pending, console)
    except KeyboardInterrupt:
        if place.engine == "slurm":
            console.print("stopped waiting; the jobs go on: dlth-bench status, or the same command to wait again")
        else:
            console.print("stopped; finished runs are stored, and the same command goes on from there")
        raise typer.Exit(130) from None


def _detach(engine: Engine, plan: Plan, console: Console) -> None:
    from dlth_bench.harness.engines.slurm import SlurmEngine  # what only Slurm can do

    if not isinstance(engine, SlurmEngine):
        raise TypeError("only the Slurm engine detaches")
    folder = engine.submit([planned.run for planned in plan.pending])
    if folder is None:
        console.print("all of them are in the queue already: dlth-bench status")
        raise typer.Exit
    numbers, store = folder.numbers(), folder.store.root
    jobs = "" if numbers is None else " as 1 job" if len(numbers.jobs) == 1 else f" as {len(numbers.jobs)} jobs"
    console.print(f"batch {folder.id} submitted{jobs}", highlight=False, soft_wrap=True)
    for command in ("status", "collect"):
        line = f"  dlth-bench {command} {folder.id} --out {store}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit
