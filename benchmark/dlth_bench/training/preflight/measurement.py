"""What the trainings of a config's measurements take; see `training.stability` for what these do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlth_bench.datasets.registry import class_catalog, image_dataset
from dlth_bench.datasets.train_sizes import train_sizes
from dlth_bench.spec.measurement import (
    BarrierSpec,
    FewShotSpec,
    FirstStablePointSpec,
    MeasurementSpec,
    TicketProbeSpec,
    TransferSpec,
)
from dlth_bench.spec.protocol import Config
from dlth_bench.spec.recipe import TrainSpec
from dlth_bench.training.augment import Pixels
from dlth_bench.training.evaluation.accuracy import in_batches
from dlth_bench.training.evaluation.linear import extract_features
from dlth_bench.training.flops import forward_flops
from dlth_bench.training.preflight.counts import Counts, counted_probe, empty
from dlth_bench.training.preflight.work import Work, summed, training, updates
from dlth_bench.training.recipe_facts import untrained
from dlth_bench.training.stability.frozen_features import block_features
from dlth_bench.training.stability.stable_point import costliest_search
from dlth_bench.training.stability.transfer import as_wide


@dataclass(frozen=True)
class Measurements:
    """What is measured of a config.

    Attributes:
        classes: of its classifier.
        sizes: samples that the measured network is trained on, of each class where it is a ticket.
        start: update that a ticket's training begins with; 0 of a dense network.
        probed: samples of each class that probes are fitted to.
    """

    config: Config
    classes: int
    sizes: Sequence[int]
    start: int
    probed: Sequence[int]
    counts: Counts

    def work(self) -> Work:
        """Of all of them together.

        Raises:
            InputError: the backbone or a dataset does not allow one.
            ValueError: there are too few samples.
        """
        return summed(map(self._of, self.config.measure))

    def _of(self, spec: MeasurementSpec) -> Work:
        match spec:
            case BarrierSpec():
                start = 0 if spec.start is None else spec.start.in_steps(self.config.train, sum(self.sizes))
                return self._updates(start + 2 * (self._end - (start or self.start)))
            case FirstStablePointSpec():
                return self._first_stable_point(spec)
            case FewShotSpec():
                return self._few_shot(spec)
            case TicketProbeSpec():
                return self._ticket_probe(spec)
            case TransferSpec():
                return self._transfer(spec)
        return Work()  # the others watch the config's own training

    @property
    def _end(self) -> int:
        train = self.config.train
        return train.duration.in_steps(sum(self.sizes), train.batch_size)

    def _updates(self, steps: int) -> Work:
        step = self.counts.step(self.config, self.classes)
        return updates(steps, self.config.train.batch_size, step)

    def _first_stable_point(self, spec: FirstStablePointSpec) -> Work:
        """The search cannot make more updates than that: up to each probed point once, from there on twice."""
        most = costliest_search(lambda point: 2 * self._end - round(point / spec.parts * self._end), spec.parts)
        return self._updates(most) + Work(at_most=True)

    def _few_shot(self, spec: FewShotSpec) -> Work:
        samples = sum(min(spec.per_class, size) for size in self.sizes)
        return training(_no_larger(spec.train, samples), samples, self.counts.step(self.config, self.classes))

    def _ticket_probe(self, spec: TicketProbeSpec) -> Work:
        pixels, samples = self.counts.pixels(self.config), sum(self.probed)
        encoder, image = untrained(self.config, pixels, 2).encoder, empty(pixels)
        widths = [features.shape[1] for features in block_features(encoder, spec.blocks, image, pixels)]
        extraction = forward_flops(lambda one: in_batches(encoder, one, pixels), image, samples)
        train = _no_larger(spec.train, samples)
        return _fitted(train, samples, widths, self.classes, extraction, batch_norm=spec.batch_norm)

    def _transfer(self, spec: TransferSpec) -> Work:
        own, dataset = self.counts.pixels(self.config), image_dataset(spec.dataset)
        classes = len(spec.classes or class_catalog(spec.dataset).ids)
        samples = sum(train_sizes(spec.dataset, classes, spec.images_per_class))
        mean, std = as_wide(spec.pixel_mean, own.channels), as_wide(spec.pixel_std, own.channels)
        pixels = Pixels(dataset.image_size, mean, std)
        encoder, image = untrained(self.config, own, 2).encoder, empty(pixels)
        extraction = forward_flops(lambda one: extract_features(encoder, one, pixels, "pooled"), image, samples)
        widths = [extract_features(encoder, image, pixels, "pooled").shape[1]]
        train = _no_larger(spec.train, samples)
        return _fitted(train, samples, widths, classes, extraction, batch_norm=spec.batch_norm)


def _no_larger(train: TrainSpec, samples: int) -> TrainSpec:
    """A training whose batch is no larger than its samples are many."""
    return train.model_copy(update={"batch_size": min(train.batch_size, samples)})


def _fitted(
    train: TrainSpec, samples: int, widths: Sequence[int], classes: int, extraction: float, *, batch_norm: bool
) -> Work:
    """Classifiers of frozen features of several widths; the images are those that features are computed of, once."""
    probes = summed(
        training(train, samples, counted_probe(width, classes, train, batch_norm=batch_norm)) for width in widths
    )
    return Work(samples, probes.steps, extraction + probes.flops)
