"""The first stable point of a config's dense training: pairs of trainings from points of its own trajectory."""

from __future__ import annotations

from dataclasses import replace

from dlth_bench.spec.measurement import FirstStablePointSpec
from dlth_bench.spec.metric import Measured
from dlth_bench.training.pruning.search import kept
from dlth_bench.training.stability.barrier import path_errors
from dlth_bench.training.stability.linear_path import barrier
from dlth_bench.training.stability.stable_point import Search, first_stable
from dlth_bench.training.stability.subject import Finding, Subject, valued


def measure_first_stable_point(spec: FirstStablePointSpec, subject: Subject) -> Finding:
    """The point as a fraction of training, and all that was probed."""
    spent = {"updates": 0, "seconds": 0.0}

    def barrier_at(part: int) -> float:
        begun, seconds = at_point(subject, round(part / spec.parts * subject.trainer.dense.end))
        errors = path_errors(begun, f"stable-{begun.start}", spec.points, spec.calibration_samples)
        spent["updates"] += begun.start + errors.updates
        spent["seconds"] += seconds + errors.seconds
        return barrier(errors.recalibrated if spec.recalibrated else errors.raw)

    found = first_stable(barrier_at, spec.parts, spec.threshold)
    images = int(spent["updates"]) * subject.trainer.dense.spec.batch_size
    return Finding(_measured(spec, found), images, spent["updates"] * subject.step_flops, spent["seconds"])


def at_point(subject: Subject, update: int) -> tuple[Subject, float]:
    """The network after some updates of its own training, and the wall seconds of these.

    They are the updates of the config's training itself, whose draws go by the name of its stage.
    """
    if update == 0:
        return replace(subject, start=0), 0.0
    trainer = subject.trainer
    method = trainer.with_weights(subject.weights)
    stage = replace(trainer.dense, method=method, stop=update, stored_as=f"stable-{update}-start")
    history = subject.train(stage)
    return replace(subject, weights=kept(method.state_dict()), start=update), history.seconds


def _measured(spec: FirstStablePointSpec, found: Search) -> Measured:
    notes = [
        f"stable from {early / spec.parts:.3g} of training but not from {late / spec.parts:.3g}: what is stable did "
        "not stay so, and the first stable point may be another"
        for early, late in found.violations
    ]
    if found.censored:
        notes.append("no point that was probed is stable; the value is the end of training")
    (metric,) = spec.metrics
    return Measured(
        kind=spec.kind,
        values=(valued(metric, found.point / spec.parts),),
        series={
            "probed_fraction": tuple(part / spec.parts for part, _ in found.probes),
            "probed_barrier": tuple(value for _, value in found.probes),
        },
        notes=tuple(notes[:20]),
    )
