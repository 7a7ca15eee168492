"""Linear probes at the blocks of a frozen ticket (stability paper, table 3): what its untrained features know."""

from __future__ import annotations

from dlth_bench.spec.measurement import TicketProbeSpec
from dlth_bench.spec.metric import Measured
from dlth_bench.training.evaluation.accuracy import in_batches
from dlth_bench.training.flops import forward_flops
from dlth_bench.training.stability.frozen_features import FeatureSet, block_features, fitted_probe
from dlth_bench.training.stability.recalibration import recalibrate
from dlth_bench.training.stability.subject import Finding, Subject, valued


def measure_ticket_probe(spec: TicketProbeSpec, subject: Subject) -> Finding:
    """Validation accuracy of a probe at each of the blocks.

    Raises:
        InputError: the backbone has no such block.
    """
    encoder, pixels, trainer = subject.network().encoder, subject.pixels, subject.trainer
    if spec.recalibrated:
        recalibrate(encoder, subject.images, pixels)
    both = [block_features(encoder, spec.blocks, images, pixels) for images in (subject.images, trainer.val_images)]
    encoder.eval()
    extraction = forward_flops(
        lambda image: in_batches(encoder, image, pixels), subject.images[:1], len(subject.labels)
    )
    probes = [
        fitted_probe(
            f"probe-block-{block}",
            FeatureSet(train, subject.labels, val, trainer.val_labels),
            spec.train,
            subject,
            batch_norm=spec.batch_norm,
        )
        for block, train, val in zip(spec.blocks, *both, strict=True)
    ]
    values = tuple(valued(metric, probe.accuracy) for metric, probe in zip(spec.metrics, probes, strict=True))
    return Finding(
        Measured(kind=spec.kind, values=values),
        len(subject.labels),
        extraction + sum(probe.flops for probe in probes),
        sum(probe.seconds for probe in probes),
    )
