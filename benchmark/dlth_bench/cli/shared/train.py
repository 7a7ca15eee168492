"""Training with progress on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

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

from dlth_bench.bench import BenchEvent, LeftOut, OnEvent, Packing, Place, Planned, Raced, Training, WithoutWeights
from dlth_bench.cli.shared import options
from dlth_bench.engines.batch import BatchFolder
from dlth_bench.engines.engine import ENGINES, Finished, Progressed
from dlth_bench.engines.followers import follow, follows, leading, started_devices
from dlth_bench.runs.plan import Plan, PlannedRun
from dlth_bench.runs.run import Result, Tuning
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import duration, percent, printable


@dataclass(frozen=True)
class PlaceOptions:
    """The options that say where runs are trained, and how."""

    workers: options.Workers = None
    device: options.Device = "auto"
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Devices that train each run together. Default: 1, or torchrun's processes."),
    ] = None
    micro_batch: Annotated[
        int | None, typer.Option(min=1, help="Samples computed at once, on each device. Default: as many as fit.")
    ] = None
    checkpoint_activations: Annotated[
        bool, typer.Option("--checkpoint-activations", help="Less memory for a third more computation.")
    ] = False
    compile: Annotated[bool, typer.Option("--compile", help="Run the networks' blocks through torch.compile.")] = False
    engine: Annotated[str, typer.Option(help=f"Where runs are trained: {', '.join(ENGINES)}.")] = "local"
    engine_option: Annotated[
        list[str] | None,
        typer.Option("--engine-option", "-e", help="key=value for slurm or ray, as in docs/clusters.md; repeatable."),
    ] = None
    detach: Annotated[
        bool, typer.Option("--detach", help="Hand the runs to Slurm and return; see status and collect.")
    ] = False

    @cached_property
    def tuning(self) -> Tuning:
        """How steps are computed.

        Raises:
            InputError: another number of devices than ``torchrun`` started processes for.
        """
        started = started_devices()
        if started > 1 and self.devices not in {None, started}:
            raise InputError(f"--devices {self.devices}: torchrun started {started} processes, one a device")
        return Tuning(
            devices=started if started > 1 else self.devices or 1,
            micro_batch=self.micro_batch,
            checkpoint_activations=self.checkpoint_activations,
            compile=self.compile,
        )

    @property
    def place(self) -> Place:
        """Where runs are trained; raises InputError for options that exclude each other."""
        return Place(self.engine, tuple(self.engine_option or ()), self.device, self.workers, self.detach, self.tuning)

    def lead(self, context: typer.Context) -> None:
        """Lead the other processes until the command ends, or follow the first one, which ends this one's command."""
        if follows(self.tuning.devices):
            follow(self.device, self.tuning)
            raise typer.Exit
        context.with_resource(leading(self.device, self.tuning.devices))


STAGES = 2
"""Pretraining and evaluation; a run's bar is split between them."""


class TrainingBars:
    """A bar for each run that is trained, and one over all of them.

    The latter is weighted by expected cost, so that its remaining time means something.
    """

    def __init__(self, pending: tuple[PlannedRun, ...], console: Console) -> None:
        self._weights = {planned.run.digest: _weight(planned) for planned in pending}
        self._results: list[Result] = []
        self._under_way: dict[str, TaskID] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
        self._bars = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
        self._whole = self._bars.add_task("all runs", total=sum(self._weights.values()), done=self._count)
        self._bars.start()

    @property
    def _count(self) -> str:
        return f"{len(self._results)}/{len(self._weights)}"

    def draw(self, event: Progressed | Finished) -> None:
        bars, digest = self._bars, event.run.digest
        if digest not in self._under_way:
            self._under_way[digest] = bars.add_task(event.run.label, total=1.0, done="")
        if isinstance(event, Finished):
            bars.remove_task(self._under_way.pop(digest))
            self._results.append(event.result)
            bars.update(self._whole, done=self._count)
            bars.console.print(_line(event), highlight=False, markup=False)
        else:
            share = (event.stage != "pretrain") / STAGES + event.step / event.total / STAGES
            bars.update(self._under_way[digest], completed=share, done=_stage(event))
        shares = {task.id: task.completed for task in bars.tasks}
        running = sum(self._weights[key] * shares[task] for key, task in self._under_way.items())
        finished = sum(self._weights.get(result.run, 0.0) for result in self._results)
        bars.update(self._whole, completed=finished + running)

    def close(self) -> None:
        self._bars.stop()


class PackingBar:
    """How far the images of a split are checked and packed; gone when it is done."""

    def __init__(self, event: Packing, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.split = event.split
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bars.add_task(f"checking {event.split} images", total=event.total)
        self._bars.start()

    def draw(self, event: Packing) -> None:
        told = f"packing {event.split} images"
        self._bars.update(self._task, description=told, completed=event.done, total=event.total)

    def close(self) -> None:
        self._bars.stop()


class TrainingDisplay:
    """Draws the events of `dlth_bench.bench` on a console; to be closed when no more come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: TrainingBars | PackingBar | None = None

    def __call__(self, event: BenchEvent) -> None:
        if isinstance(event, Progressed | Finished):
            if isinstance(self._shown, TrainingBars):
                self._shown.draw(event)
            return
        shown = self._shown
        if isinstance(event, Packing) and isinstance(shown, PackingBar) and shown.split == event.split:
            shown.draw(event)
            return
        self.close()
        if isinstance(event, Packing):
            self._shown = PackingBar(event, self._console)
        elif isinstance(event, Planned):
            self._print(_announced(event))
            if not event.place.detach:
                self._shown = TrainingBars(event.plan.pending, self._console)
        elif isinstance(event, LeftOut):
            self._console.print(Text(printable(_left_out(event), 400)), soft_wrap=True)
        elif isinstance(event, WithoutWeights):
            told = "stored runs were trained without --keep-weights and have none: use another --out for them"
            self._print(f"{event.runs} {told}")
        else:
            self._print(_saved(event))

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def close(self) -> None:
        """Take down what is drawn; what was printed stays."""
        if self._shown is not None:
            self._shown.close()
            self._shown = None


def _weight(planned: PlannedRun) -> float:
    return 1.0 if planned.expected is None else max(planned.expected.device_seconds, 1e-3)


def _stage(event: Progressed) -> str:
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


def _announced(event: Planned) -> str:
    plan, at_once = event.plan, event.place.at_once
    count = f"{len(plan.pending)} of {len(plan.planned)} runs to train"
    if at_once is None:
        return f"{count} on {event.place.engine}"
    expected = plan.expected_seconds(min(at_once, len(plan.pending)))
    told = "" if expected is None else f", about {duration(expected)}"
    return f"{count}, {at_once} at once{told}"


def _left_out(event: LeftOut) -> str:
    share = f"{len(event.names)} of {event.total} {event.split} images"
    shown = ", ".join(event.names[:3]) + (", ..." if len(event.names) > 3 else "")
    return f"{share} cannot be decoded and are left out: {shown}"


def _saved(event: Raced) -> str:
    if not event.spared:
        return "racing left out no run: no config's place was settled before its last seed"
    costs = [planned.expected for planned in event.spared]
    seconds = sum(cost.device_seconds for cost in costs if cost is not None)
    told = f", about {duration(seconds)} of one device" if seconds else ""
    names = ", ".join(dict.fromkeys(planned.run.config.name for planned in event.spared))
    return f"racing left out {len(event.spared)} of {event.runs} runs{told}: the place of {names} was settled"


@contextmanager
def show_training(console: Console, place: Place) -> Iterator[OnEvent]:
    """Yield what draws events while the block trains; an interrupt says how to go on and exits with code 130."""
    display = TrainingDisplay(console)
    try:
        yield display
    except KeyboardInterrupt:
        display.close()
        if ENGINES[place.engine].detaches:
            console.print("stopped waiting; the jobs go on: dlth-bench status, or the same command to wait again")
        else:
            console.print("stopped; finished runs are stored, and the same command goes on from there")
        raise typer.Exit(130) from None
    finally:
        display.close()


def train_plan(training: Training, plan: Plan, console: Console, *, racing: bool = False) -> int:
    """Train what the store does not hold yet; returns how many of the plan's runs broke down.

    With ``place.detach`` the pending runs are handed to Slurm, and the command ends with code 0.

    Errors as of `Training.train` and `Training.race`.
    """
    with show_training(console, training.place) as show:
        shown = replace(training, on_event=show)
        if racing:
            return shown.race(plan)
        if training.place.detach and plan.pending:
            _show_batch(shown.submit(plan), console)
            raise typer.Exit
        return shown.train(plan)


def _show_batch(folder: BatchFolder | None, console: Console) -> None:
    if folder is None:
        console.print("all of them are in the queue already: dlth-bench status")
        return
    numbers, store = folder.numbers(), folder.store.root
    jobs = "" if numbers is None else " as 1 job" if len(numbers.jobs) == 1 else f" as {len(numbers.jobs)} jobs"
    console.print(f"batch {folder.id} submitted{jobs}", highlight=False, soft_wrap=True)
    for command in ("status", "collect"):
        line = f"  dlth-bench {command} {folder.id} --out {store}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
