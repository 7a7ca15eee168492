"""What a run takes before any of it was trained: samples, updates, operations and memory of all that it trains."""

from __future__ import annotations

from collections.abc import Sequence

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.method import FinetuneSpec, LinearSpec
from dlth_bench.spec.replaced import PHASES
from dlth_bench.spec.run import Run
from dlth_bench.training.preflight.counts import Counts, StepCount, counted_probe
from dlth_bench.training.preflight.measurement import Measurements
from dlth_bench.training.preflight.ticket import searching_step, ticket_work
from dlth_bench.training.preflight.work import Work, training


class Estimate(Frozen):
    """What one run takes: its `Cost`, as far as that is known before, and its memory."""

    config: str
    images: int
    """Samples drawn in all stages, all views of one counted once."""
    steps: int
    """Updates of all stages."""
    flops: float
    """Of all stages, a multiply-add counted as two."""
    at_most: bool = False
    """Whether that is the most that it can take: how much it is depends on what is found on the way."""
    fixed_bytes: int
    """Weights, averages, queues, gradients and the optimizer's state of the larger stage."""
    image_bytes: int
    """What the larger stage keeps of each image of a micro-batch between forward and backward."""


def estimated(run: Run, full: Sequence[int], counts: Counts) -> Estimate:
    """The estimate of a run, of what it measures and removes, too.

    Args:
        full: training samples that the data have of each of its classes, where the protocol does not say.

    Raises:
        InputError: it has too few samples for one of its stages.
    """
    try:
        work, step = _trained(run, full, counts)
    except ValueError as error:
        raise InputError(f"config {run.config.name}: {error}") from None
    return Estimate(
        config=run.config.name,
        images=work.images,
        steps=work.steps,
        flops=work.flops,
        at_most=work.at_most,
        fixed_bytes=step.fixed_bytes,
        image_bytes=step.image_bytes,
    )


def _trained(run: Run, full: Sequence[int], counts: Counts) -> tuple[Work, StepCount]:
    """All of a run, and the larger of its updates."""
    config, classes = run.config, len(run.class_ids)
    searched, sparse, probed = (run.sizes(phase, full) or full for phase in PHASES)
    step = counts.step(config, classes)
    if config.pruning is not None:
        work = ticket_work(config, config.pruning, searched, sparse, counts)
        start = config.pruning.ticket_start(config.train, sum(sparse))
        measured = Measurements(config, classes, sparse, start, probed, counts).work()
        return work + measured, step | searching_step(config, config.pruning, classes, counts)
    work, left = training(config.train, sum(searched), step), searched
    if config.removal is not None:  # the first training told which samples go
        left = (config.removal.kept(sum(searched)),)
        work += training(config.train, sum(left), step)
    second, larger = _evaluation(run, sum(probed), counts)
    return work + second + Measurements(config, classes, left, 0, probed, counts).work(), step | larger


def _evaluation(run: Run, samples: int, counts: Counts) -> tuple[Work, StepCount]:
    """The second stage, and its update."""
    config, classes, spec = run.config, len(run.class_ids), run.config.evaluation
    if isinstance(spec, FinetuneSpec):
        step = counts.finetuning(spec, config, classes)
        return training(spec.train, samples, step), step
    if not isinstance(spec, LinearSpec):
        return Work(), StepCount()
    if spec.augment is not None:
        step = counts.augmented_probe(spec, config, classes)
        return training(spec.train, samples, step), step
    width, flops = counts.features(spec, config)
    fitted = training(spec.train, samples, counted_probe(width, classes, spec.train, batch_norm=spec.batch_norm))
    return Work(samples, fitted.steps, flops * samples + fitted.flops), StepCount()
