"""The error barrier between two trainings from one start, which differ in the order and augmentation of samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from dlth_bench.spec.measurement import BarrierSpec
from dlth_bench.spec.metric import Measured
from dlth_bench.training.evaluation.accuracy import in_batches, top1
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.samples import Samples
from dlth_bench.training.stability.linear_path import barrier, errors_on_path, places
from dlth_bench.training.stability.recalibration import recalibrate
from dlth_bench.training.stability.subject import Finding, Subject, Weights, valued


@dataclass(frozen=True)
class PathErrors:
    """Top-1 error on the validation samples along the line between two networks.

    Attributes:
        raw: with batch-norm statistics interpolated as weights are.
        recalibrated: with statistics computed anew at every place, the ends included.
        updates: that training the two took.
        seconds: wall seconds of it.
    """

    raw: list[float]
    recalibrated: list[float]
    updates: int
    seconds: float


def measure_barrier(spec: BarrierSpec, subject: Subject) -> Finding:
    """Both barriers and the errors that they are of."""
    errors = path_errors(subject, f"barrier-{subject.start}", spec.points, spec.calibration_samples)
    raw, recalibrated = spec.metrics
    values = valued(raw, barrier(errors.raw)), valued(recalibrated, barrier(errors.recalibrated))
    series = {
        "place": tuple(places(spec.points)),
        "error": tuple(errors.raw),
        "recalibrated_error": tuple(errors.recalibrated),
    }
    images = errors.updates * subject.trainer.dense.spec.batch_size
    measured = Measured(kind=spec.kind, values=values, series=series)
    return Finding(measured, images, errors.updates * subject.step_flops, errors.seconds)


def path_errors(subject: Subject, name: str, points: int, calibration_samples: int | None) -> PathErrors:
    """Train two networks from the subject's start and measure the line between them.

    Args:
        name: under which the draws of the two are made, and their files kept.
    """
    trainer = subject.trainer
    children = [trainer.level(f"{name}-{child}", subject.weights, subject.mask, subject.start) for child in "ab"]
    (one, first), (other, second) = children
    ends = one.state_dict(), other.state_dict()
    probe = as_classifier(trainer.with_weights(subject.weights))
    samples = some_of(trainer.dense.samples, calibration_samples)
    return PathErrors(
        raw=errors_on_path(*ends, points, lambda weights: _error(probe, weights, subject)),
        recalibrated=errors_on_path(*ends, points, lambda weights: _error(probe, weights, subject, samples)),
        updates=2 * (trainer.dense.end - subject.start),
        seconds=first.seconds + second.seconds,
    )


def some_of(samples: Samples, count: int | None) -> Samples:
    """About ``count`` of the samples, spread evenly over their order, which is by class; None: all."""
    if count is None or count >= len(samples):
        return samples
    chosen = torch.linspace(0, len(samples) - 1, count).round().long()
    picked: Samples = samples[chosen.to(samples.device)]
    return picked


def _error(network: Supervised, weights: Weights, subject: Subject, calibration: Samples | None = None) -> float:
    network.load_state_dict(weights)
    if calibration is not None:
        recalibrate(nn.Sequential(network.encoder, network.head), calibration, subject.pixels)
    network.eval()
    logits = in_batches(network.logits, subject.trainer.val_images, subject.pixels)
    return 1 - top1(logits, subject.trainer.val_labels)
