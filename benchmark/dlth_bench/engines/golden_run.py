"""The golden cell: one short run whose outcome is known, trained again to see whether this machine agrees.

The accepted range comes from stored submissions. Training a run again gives, at worst, another draw of its seed noise,
so an honest difference has √2 times the standard deviation of one run; that is pooled over all subsets on which the
config was trained with several seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from statistics import variance
from typing import Annotated

import scipy  # its parts are loaded when they are first used, so that --help does without them
from pydantic import Field

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.engines.doctor import Check
from dlth_bench.engines.heartbeat import Report
from dlth_bench.protocols.protocol import Accuracy
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Environment, Result, Run
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.model import Frozen

REFUSED = 0.01
"""Probability that the accepted range leaves out an honest run."""

VISIBLE = 0.01
"""Relative difference of two losses from which on their curves can be told apart by eye."""


class GoldenCell(Frozen):
    """A run with its stored result, and how its config's accuracy varies with the seed."""

    protocol: Annotated[str, Field(description="name@version of a frozen protocol.")]
    subset: Annotated[str, Field(description="Name of the submission that the result is of.")]
    classes: Annotated[tuple[str, ...], Field(description="Its classes, in canonical order.")]
    source: Annotated[str, Field(description="Where result and accuracies stand.")]
    accuracies: Annotated[
        dict[str, tuple[Accuracy, ...]], Field(description="The config's top-1 by submission, a value a seed.")
    ]
    result: Result

    @property
    def run(self) -> Run:
        """The run that is trained again."""
        spec = find_protocol(self.protocol)
        subset = Subset(dataset=spec.data.dataset, ids=self.classes)
        return Run.on(subset, spec.data, spec.config(self.result.config), self.result.seed)

    @property
    def label(self) -> str:
        return f"{self.result.config} of {self.protocol} on {self.subset}, seed {self.result.seed}"

    @property
    def noise(self) -> tuple[float, int]:
        """Standard deviation of one run over seeds, pooled over subsets, and its degrees of freedom."""
        freedom = sum(len(values) - 1 for values in self.accuracies.values())
        total = sum((len(values) - 1) * variance(values) for values in self.accuracies.values())
        return math.sqrt(total / freedom), freedom

    @property
    def accepted(self) -> tuple[float, float]:
        """Lowest and highest top-1 that retraining may give, as fractions."""
        std, freedom = self.noise
        reach = float(-scipy.special.stdtrit(freedom, REFUSED / 2)) * math.sqrt(2) * std
        recorded = self.result.accuracy or 0.0
        return recorded - reach, recorded + reach


def golden_cell() -> GoldenCell:
    """The one that comes with the package."""
    text = resources.files("dlth_bench.engines").joinpath("golden_run.json").read_text(encoding="utf-8")
    return GoldenCell.model_validate_json(text)


def train_golden(cell: GoldenCell, device: str, report: Report) -> Result:
    """The cell's run, trained now in this process on one thread, as engines do, and kept nowhere."""
    import torch

    from dlth_bench.training.environment import prepare_process
    from dlth_bench.training.train_run import train_run

    threads = torch.get_num_threads()
    prepare_process()
    try:
        run = cell.run
        return train_run(run, protocol_dataset(run.data), device=device, report=report)
    finally:
        torch.set_num_threads(threads)


def golden_checks(cell: GoldenCell, result: Result) -> list[Check]:
    """What a retrained cell says: its accuracy, its loss curve, and what is other than when it was recorded."""
    return [_accuracy_check(cell, result), _curve_check(cell, result)]


def _accuracy_check(cell: GoldenCell, result: Result) -> Check:
    low, high = cell.accepted
    accepted = f"accepted {100 * low:.1f} to {100 * high:.1f}, recorded {100 * (cell.result.accuracy or 0):.1f}"
    seconds = "" if result.cost is None else f", {result.cost.device_seconds:.0f} s"
    name = "golden cell"
    if result.accuracy is None:
        return Check(name, "fail", f"{cell.label}: {result.status}, {result.reason}")
    found = f"{cell.label}: top-1 {100 * result.accuracy:.1f} ({accepted}){seconds}"
    if low <= result.accuracy <= high:
        return Check(name, "ok", found)
    advice = "training here does not give what it should: compare versions and device below before any run"
    return Check(name, "fail", found, advice=advice)


def _curve_check(cell: GoldenCell, result: Result) -> Check:
    """Losses step by step: other versions or processors may round otherwise, the same ones may not."""
    name = "golden curve"
    first = first_departure(cell.result, result)
    if first is None:
        steps = len(cell.result.curves.pretrain_steps) + len(cell.result.curves.evaluation_steps)
        return Check(name, "ok", f"as recorded, bit for bit, at all {steps} recorded steps")
    visible = first_departure(cell.result, result, tolerance=VISIBLE)
    found = f"leaves the recorded one at {first}"
    found += f", by more than {VISIBLE:.0%} at {visible}" if visible else f", nowhere by more than {VISIBLE:.0%}"
    differing = differences(cell.result.environment, result.environment)
    if differing:
        advice = f"other than recorded: {'; '.join(differing)}. Rounding differs, and training carries it on"
        return Check(name, "ok", found, advice=advice)
    advice = "versions, processor and threads are those of the record: something else changes arithmetic here"
    return Check(name, "warn", found, advice=advice)


@dataclass(frozen=True)
class Departure:
    """Where two loss curves part."""

    stage: str
    step: int
    recorded: float
    found: float | None
    """None: there is no loss of that step."""

    def __str__(self) -> str:
        loss = "no loss" if self.found is None else f"{self.found:.6g}"
        return f"step {self.step} of {self.stage} ({loss} for {self.recorded:.6g})"


def first_departure(recorded: Result, found: Result, tolerance: float = 0.0) -> Departure | None:
    """The first recorded step whose loss differs by more than ``tolerance`` of itself; None when none does."""
    losses = {(stage, step): loss for stage, step, loss in _losses(found)}
    for stage, step, loss in _losses(recorded):
        other = losses.get((stage, step))
        if other is None or abs(other - loss) > tolerance * abs(loss):
            return Departure(stage, step, loss, other)
    return None


def _losses(result: Result) -> Iterator[tuple[str, int, float]]:
    curves = result.curves
    for step, loss in zip(curves.pretrain_steps, curves.pretrain_loss, strict=True):
        yield "pretraining", step, loss
    for step, loss in zip(curves.evaluation_steps, curves.evaluation_loss, strict=True):
        yield "evaluation", step, loss


def differences(recorded: Environment | None, found: Environment | None) -> list[str]:
    """Versions and hardware in which two environments differ, such as ``torch 2.15.0, recorded 2.14.1``."""
    if recorded is None or found is None:
        return []
    before, now = recorded.model_dump(exclude={"commit"}), found.model_dump(exclude={"commit"})
    return [
        f"{name} {now[name]}, recorded {before[name]}" for name in now if before[name] and now[name] != before[name]
    ]
