"""Training a plan's open runs with progress on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dlth_bench.cli.shared.options import Place
from dlth_bench.datasets.dataset import Dataset, ImageArrays
from dlth_bench.datasets.registry import is_packed, protocol_dataset
from dlth_bench.engines.attempt import invite
from dlth_bench.engines.batch import Grid, Purpose
from dlth_bench.engines.engine import Engine, EngineSettings, Event, Finished, Progressed
from dlth_bench.engines.registry import ENGINES, make_engine
from dlth_bench.runs.plan import Plan, PlannedRun
from dlth_bench.runs.result import Result
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import ENCODER_FILE, Store
from dlth_bench.training.data import run_samples
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import duration, percent, printable

STAGES = 2
"""Pretraining and evaluation; a run's bar is split between them."""


def watch(events: Iterator[Event], pending: tuple[PlannedRun, ...], console: Console) -> list[Result]:
    """Draw an engine's events until it is done; returns the results in the order they came.

    The bar over all runs is weighted by expected cost, so that its remaining time means something.
    """
    weights = {planned.run.digest: _weight(planned) for planned in pending}
    results: list[Result] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bars:
        whole = bars.add_task("all runs", total=sum(weights.values()), done=f"0/{len(weights)}")
        under_way: dict[str, TaskID] = {}
        for event in events:
            digest = event.run.digest
            if digest not in under_way:
                under_way[digest] = bars.add_task(event.run.label, total=1.0, done="")
            if isinstance(event, Finished):
                bars.remove_task(under_way.pop(digest))
                results.append(event.result)
                bars.update(whole, done=f"{len(results)}/{len(weights)}")
                bars.console.print(_line(event), highlight=False, markup=False)
            else:
                share = (event.stage != "pretrain") / STAGES + event.step / event.total / STAGES
                bars.update(under_way[digest], completed=share, done=_place(event))
            running = sum(weights[key] * (bars.tasks[_index(bars, task)].completed) for key, task in under_way.items())
            finished = sum(weights.get(result.run, 0.0) for result in results)
            bars.update(whole, completed=finished + running)
    return results


def _index(bars: Progress, task: TaskID) -> int:
    return next(index for index, shown in enumerate(bars.tasks) if shown.id == task)


def _weight(planned: PlannedRun) -> float:
    return 1.0 if planned.expected is None else max(planned.expected.device_seconds, 1e-3)


def _place(event: Progressed) -> str:
    """``pretrain, epoch 3/20``; in steps where the stage is not counted in epochs."""
    config = event.run.config
    train = config.train
    if event.stage != "pretrain" and config.evaluation is not None:
        train = config.evaluation.train
    epochs = train.duration.epochs
    if epochs is None:
        return f"{event.stage}, step {event.step}/{event.total}"
    return f"{event.stage}, epoch {math.ceil(epochs * event.step / event.total)}/{epochs:g}"


def _line(event: Finished) -> str:
    result = event.result
    if result.status == "finished":
        return f"{event.run.label}: top-1 {percent(result.accuracy)}"
    return f"{event.run.label}: {result.status}: {result.reason}"


def pack_images(dataset: Dataset, run: Run, console: Console) -> None:
    """Pack and check the images that a run, and every run on the same samples, reads.

    Raises:
        InputError: the images are not there, too many cannot be decoded, or there is no space.
    """
    for arrays in run_samples(dataset, run):
        _pack(arrays, console)


def _pack(arrays: ImageArrays, console: Console) -> None:
    from dlth_bench.datasets.packed.cache import PackedImages  # numpy and PIL: not needed before

    images = arrays.images
    if not isinstance(images, PackedImages):
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(f"checking {images.split} images", total=len(images))

        def report(done: int, total: int) -> None:
            bars.update(bar, description=f"packing {images.split} images", completed=done, total=total)

        files = images.files(check=True, report=report)
    if files.unreadable:
        share = f"{len(files.unreadable)} of {len(images)} {images.split} images"
        shown = ", ".join(files.unreadable[:3]) + (", ..." if len(files.unreadable) > 3 else "")
        told = f"{share} cannot be decoded and are left out: {shown}"
        console.print(Text(printable(told, 400)), soft_wrap=True)


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
        if ENGINES[place.engine].detaches:
            console.print("stopped waiting; the jobs go on: dlth-bench status, or the same command to wait again")
        else:
            console.print("stopped; finished runs are stored, and the same command goes on from there")
        raise typer.Exit(130) from None


def _detach(engine: Engine, plan: Plan, console: Console) -> None:
    from dlth_bench.engines.slurm import SlurmEngine  # what only Slurm can do

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
