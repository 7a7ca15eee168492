"""The error barrier between two trainings from one start, which differ in the order and augmentation of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from dlth_bench.protocols.measurements import BarrierSpec
from dlth_bench.training.evaluation import in_batches, top1
from dlth_bench.training.measurements.subject import MeasurementFinding, Subject, measured
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.samples import StageSamples, in_order
from dlth_bench.training.tickets.search import Weights
from dlth_bench.training.views.augment import Pixels, unaugmented


def interpolated(one: Weights, other: Weights, alpha: float) -> Weights:
    """``(1 - alpha) * one + alpha * other``: weights, and the running statistics of batch norms.

    Whole numbers, such as the batches that a norm has seen, are those of ``one``. At 0 and 1 the ends come out exactly.
    """
    return {
        name: torch.lerp(tensor, other[name], alpha) if tensor.is_floating_point() else tensor.clone()
        for name, tensor in one.items()
    }


def places(points: int) -> list[float]:
    """Evenly spaced places on the line from 0 to 1, both included."""
    return [index / (points - 1) for index in range(points)]


def errors_on_path(one: Weights, other: Weights, points: int, error: Callable[[Weights], float]) -> list[float]:
    """The error at each of the places; ``error`` is that of given weights."""
    return [error(interpolated(one, other, alpha)) for alpha in places(points)]


def barrier(errors: Sequence[float]) -> float:
    """The highest error on the path less the mean of its ends; 0 or more, since the ends are on it."""
    return max(errors) - (errors[0] + errors[-1]) / 2


BATCH = 250
"""Samples at once; smaller batches have noisier statistics."""


def recalibrate(network: nn.Module, samples: StageSamples, pixels: Pixels) -> None:
    """Set the running statistics of all batch norms to the mean over batches of unaugmented samples, in place.

    Batches are `BATCH` samples in their order; an incomplete one is left out unless it is the only one, since all
    batches count alike. The network keeps its mode.
    """
    update_bn(_batches(samples, pixels), network)


def _batches(samples: StageSamples, pixels: Pixels) -> Iterator[Tensor]:
    for number, batch in enumerate(in_order(samples, BATCH)):
        if number == 0 or len(batch) == BATCH:
            yield unaugmented(batch, pixels)


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


def measure_barrier(spec: BarrierSpec, subject: Subject) -> MeasurementFinding:
    """Both barriers and the errors that they are of, from the subject's start or a point of its dense training."""
    dense, step_flops = subject.trainer.dense, subject.trainer.step_flops
    before, seconds = 0, 0.0
    if spec.start is not None:
        before = spec.start.in_steps(dense.spec, dense.trained_samples)
        subject, seconds = subject.trained_to(before)
    errors = measure_path(subject, f"barrier-{subject.start}", spec.points, spec.calibration_samples)
    series = {"place": places(spec.points), "error": errors.raw, "recalibrated_error": errors.recalibrated}
    return MeasurementFinding(
        measured(spec, [barrier(errors.raw), barrier(errors.recalibrated)], series),
        images=(errors.updates + before) * dense.spec.batch_size,
        flops=errors.updates * step_flops + before * step_flops,
        seconds=errors.seconds + seconds,
    )


def measure_path(subject: Subject, name: str, points: int, calibration_samples: int | None) -> PathErrors:
    """Train two networks from the subject's start, their draws and files under a name, and measure the line between."""
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


def some_of(samples: StageSamples, count: int | None) -> StageSamples:
    """About ``count`` of the samples, spread evenly over their order, which is by class; None: all."""
    if count is None or count >= len(samples):
        return samples
    chosen = torch.linspace(0, len(samples) - 1, count).round().long()
    picked: StageSamples = samples[chosen.to(samples.device)]
    return picked


def _error(network: Supervised, weights: Weights, subject: Subject, calibration: StageSamples | None = None) -> float:
    network.load_state_dict(weights)
    if calibration is not None:
        recalibrate(nn.Sequential(network.encoder, network.head), calibration, subject.trainer.pixels)
    network.eval()
    logits = in_batches(network.logits, subject.trainer.val_images, subject.trainer.pixels)
    return 1 - top1(logits, subject.trainer.val_labels)
