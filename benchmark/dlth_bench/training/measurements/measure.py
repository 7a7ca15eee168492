"""What a config measures beside its accuracy: each measurement by its own file, in the order of the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from dlth_bench.protocols.measurements import (
    BarrierSpec,
    ConvergenceSpec,
    FewShotSpec,
    FirstStablePointSpec,
    ForgettingSpec,
    MeasurementSpec,
    TicketProbeSpec,
    TransferSpec,
)
from dlth_bench.training.evaluation import RunOutcome
from dlth_bench.training.measurements.barrier import measure_barrier
from dlth_bench.training.measurements.convergence import ConvergenceRecord, convergence_finding
from dlth_bench.training.measurements.forgetting import ForgettingRecord, forgetting_finding
from dlth_bench.training.measurements.frozen_ticket import measure_few_shot, measure_ticket_probe, measure_transfer
from dlth_bench.training.measurements.stable_point import measure_first_stable_point, train_to_point
from dlth_bench.training.measurements.subject import MeasurementFinding, Subject
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.stage import Observer, Stage
from dlth_bench.training.views.augment import Pixels


def make_records(
    specs: Sequence[MeasurementSpec], stage: Stage, splits: Mapping[str, tuple[StageSamples, Tensor]], pixels: Pixels
) -> dict[str, Observer]:
    """Observers of the config's dense training, for the measurements that take one, by kind.

    Args:
        splits: images and labels, by ``train`` and ``val``.
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
    """The outcome with all of these measurements, and what they cost.

    Args:
        records: as for `measure`.
    """
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
    match spec:
        case BarrierSpec():
            return _barrier(spec, subject)
        case FirstStablePointSpec():
            return measure_first_stable_point(spec, subject)
        case FewShotSpec():
            return measure_few_shot(spec, subject)
        case TicketProbeSpec():
            return measure_ticket_probe(spec, subject)
        case TransferSpec():
            return measure_transfer(spec, subject)
    record = records[spec.kind]
    if isinstance(spec, ForgettingSpec) and isinstance(record, ForgettingRecord):
        return forgetting_finding(spec, record)
    if isinstance(spec, ConvergenceSpec) and isinstance(record, ConvergenceRecord):
        return convergence_finding(spec, record)
    raise TypeError(f"{spec.kind} was not recorded")


def _barrier(spec: BarrierSpec, subject: Subject) -> MeasurementFinding:
    """The barrier from the subject's start, or from a point of its dense training."""
    if spec.start is None:
        return measure_barrier(spec, subject)
    dense = subject.trainer.dense
    update = spec.start.in_steps(dense.spec, dense.trained_samples)
    begun, seconds = train_to_point(subject, update)
    found = measure_barrier(spec, begun)
    return MeasurementFinding(
        found.measured,
        found.images + update * dense.spec.batch_size,
        found.flops + update * subject.step_flops,
        found.seconds + seconds,
    )
