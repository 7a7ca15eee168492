"""Progress of many runs on a terminal: one bar a run that is under way, one for all."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dlth_bench.harness.engines.events import Event, Finished, Progressed
from dlth_bench.harness.plan import PlannedRun
from dlth_bench.leaderboard.number_text import percent
from dlth_bench.spec.result import Result

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
