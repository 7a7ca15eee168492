"""What a config measures beside its accuracy: each measurement by its own file, in the order of the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from dlth_bench.protocols.measurements import ConvergenceSpec, ForgettingSpec, MeasurementSpec
from dlth_bench.training.evaluation import RunOutcome
from dlth_bench.training.measurements.barrier import measure_barrier
from dlth_bench.training.measurements.convergence import ConvergenceRecord, convergence_finding
from dlth_bench.training.measurements.forgetting import ForgettingRecord, forgetting_finding
from dlth_bench.training.measurements.frozen_ticket import measure_few_shot, measure_ticket_probe, measure_transfer
from dlth_bench.training.measurements.stable_point import measure_first_stable_point
from dlth_bench.training.measurements.subject import MeasurementFinding, Subject
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.stage import Observer, Stage
from dlth_bench.training.views.augment import Pixels


def make_records(
    specs: Sequence[MeasurementSpec], stage: Stage, splits: Mapping[str, tuple[StageSamples, Tensor]], pixels: Pixels
) -> dict[str, Observer]:
    """Observers of the config's dense training, for the measurements that take one, by kind.

    ``splits`` has images and labels of ``train`` and ``val``.
    """
    found: dict[str, Observer] = {}
    for spec in specs:
        if isinstance(spec, ForgettingSpec):
            found[spec.kind] = ForgettingRecord(stage)
        elif isinstance(spec, ConvergenceSpec):
            found[spec.kind] = ConvergenceRecord(stage, {name: splits[name] for name in spec.splits}, pixels)
    return found


def add_measurements(
    outcome: RunOutcome, specs: Sequence[MeasurementSpec], subject: Subject, records: Mapping[str, Observer]
) -> RunOutcome:
    """The outcome with all of these measurements, and what they cost; ``records`` are those of `make_records`."""
    found = [measure(spec, subject, records) for spec in specs]
    return replace(
        outcome,
        images=outcome.images + sum(one.images for one in found),
        flops=outcome.flops + sum(one.flops for one in found),
        earlier_seconds=outcome.earlier_seconds + sum(one.seconds for one in found),
        measured=tuple(one.measured for one in found),
    )


def measure(spec: MeasurementSpec, subject: Subject, records: Mapping[str, Observer]) -> MeasurementFinding:
    """One measurement.

    Args:
        records: of the config's finished training, as `make_records` made them.

    Raises:
        InputError: the backbone or a dataset does not allow it.
        Diverged: a loss is no number.
    """
    if spec.kind in OF_RECORDS:
        return OF_RECORDS[spec.kind](spec, records[spec.kind])
    return OF_SUBJECTS[spec.kind](spec, subject)


OF_RECORDS: Mapping[str, Callable[[Any, Any], MeasurementFinding]] = {
    "convergence": convergence_finding,
    "forgetting": forgetting_finding,
}
"""The measurements that watch the config's own training, by the kind of their spec, from what they recorded."""

OF_SUBJECTS: Mapping[str, Callable[[Any, Subject], MeasurementFinding]] = {
    "barrier": measure_barrier,
    "few_shot": measure_few_shot,
    "first_stable_point": measure_first_stable_point,
    "ticket_probe": measure_ticket_probe,
    "transfer": measure_transfer,
}
"""The others, which train on their own."""
