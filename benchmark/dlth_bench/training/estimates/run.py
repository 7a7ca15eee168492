"""What a config that prunes takes: its search, the scoring of weights, and the training of its ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from dlth_bench.datasets.registry import class_catalog, image_dataset, train_sizes
from dlth_bench.protocols import measurements
from dlth_bench.protocols.methods import FinetuneSpec, LinearSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.tickets import GraspScore, PruningSpec, SearchSpec, SnipScore, SynflowScore, part
from dlth_bench.runs.run import Run
from dlth_bench.subsets.subset import PHASES
from dlth_bench.training.estimates.step import (
    PROBED,
    Counts,
    StepCount,
    Work,
    counted_probe,
    empty,
    summed,
    training,
    updates,
)
from dlth_bench.training.evaluation import extract_features, in_batches
from dlth_bench.training.facts import untrained
from dlth_bench.training.flops import FlopCounter, forward_flops
from dlth_bench.training.measurements.frozen_ticket import block_features, of_few_samples, transfer_pixels
from dlth_bench.training.measurements.stable_point import costliest_search
from dlth_bench.training.methods.supervised import as_classifier
from dlth_bench.training.tickets.masks import prunable_weights
from dlth_bench.training.tickets.scores import ScoringBatch, grasp_scores, snip_scores
from dlth_bench.training.tickets.search import search_config
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen


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

    def _of(self, spec: measurements.MeasurementSpec) -> Work:
        match spec:
            case measurements.BarrierSpec():
                start = 0 if spec.start is None else spec.start.in_steps(self.config.train, sum(self.sizes))
                return self._updates(start + 2 * (self._end - (start or self.start)))
            case measurements.FirstStablePointSpec():
                return self._first_stable_point(spec)
            case measurements.FewShotSpec():
                return self._few_shot(spec)
            case measurements.TicketProbeSpec():
                return self._ticket_probe(spec)
            case measurements.TransferSpec():
                return self._transfer(spec)
        return Work()  # the others watch the config's own training

    @property
    def _end(self) -> int:
        train = self.config.train
        return train.duration.in_steps(sum(self.sizes), train.batch_size)

    def _updates(self, steps: int) -> Work:
        step = self.counts.step(self.config, self.classes)
        return updates(steps, self.config.train.batch_size, step)

    def _first_stable_point(self, spec: measurements.FirstStablePointSpec) -> Work:
        """The search cannot make more updates than that: up to each probed point once, from there on twice."""
        most = costliest_search(lambda point: 2 * self._end - round(point / spec.parts * self._end), spec.parts)
        return self._updates(most) + Work(at_most=True)

    def _few_shot(self, spec: measurements.FewShotSpec) -> Work:
        samples = sum(min(spec.per_class, size) for size in self.sizes)
        return training(of_few_samples(spec.train, samples), samples, self.counts.step(self.config, self.classes))

    def _ticket_probe(self, spec: measurements.TicketProbeSpec) -> Work:
        pixels, samples = self.counts.pixels(self.config), sum(self.probed)
        encoder, image = untrained(self.config, pixels, 2).encoder, empty(pixels)
        widths = [features.shape[1] for features in block_features(encoder, spec.blocks, image, pixels)]
        extraction = forward_flops(lambda one: in_batches(encoder, one, pixels), image, samples)
        return _fitted(spec, samples, widths, self.classes, extraction)

    def _transfer(self, spec: measurements.TransferSpec) -> Work:
        own, dataset = self.counts.pixels(self.config), image_dataset(spec.dataset)
        classes = len(spec.classes or class_catalog(spec.dataset).ids)
        samples = sum(train_sizes(spec.dataset, classes, spec.images_per_class))
        pixels = transfer_pixels(spec, dataset.image_size, own.channels)
        encoder, image = untrained(self.config, own, 2).encoder, empty(pixels)
        extract = partial(extract_features, encoder, pixels=pixels, kind="pooled")
        return _fitted(spec, samples, [extract(image).shape[1]], classes, forward_flops(extract, image, samples))


def _fitted(
    spec: measurements.TicketProbeSpec | measurements.TransferSpec,
    samples: int,
    widths: Sequence[int],
    classes: int,
    extraction: float,
) -> Work:
    """Classifiers of frozen features of several widths; the images are those that features are computed of, once."""
    train, batch_norm = of_few_samples(spec.train, samples), spec.batch_norm
    probes = summed(
        training(train, samples, counted_probe(width, classes, train, batch_norm=batch_norm)) for width in widths
    )
    return Work(samples, probes.steps, extraction + probes.flops)


def ticket_work(
    config: Config, pruning: PruningSpec, searched: Sequence[int], sparse: Sequence[int], counts: Counts
) -> Work:
    """All trainings and scorings.

    Args:
        searched, sparse: samples of each class that there are to search on, and to train the ticket on.

    Raises:
        ValueError: they do not fill a batch, or the rewind point is not before the end of training.
    """
    batch, prac = config.train.batch_size, pruning.prac
    ticket = pruning.ticket_images(config.train, sum(sparse)) // batch
    work = updates(ticket, batch, counts.step(config, len(sparse)))
    other = _source(config, pruning)
    if prac is None or other is None:
        return work + _search(config, pruning, searched, counts)
    own = pruning.model_copy(update={"prac": prac.model_copy(update={"source": None})})
    # The set is there for the config's own levels: they train on it and predict nothing.
    levels = _search(config, pruning.model_copy(update={"prac": None}), searched, counts)
    return work + _search(other, own, searched, counts) + levels + Work(at_most=prac.scaled_updates)


def searching_step(config: Config, pruning: PruningSpec, classes: int, counts: Counts) -> StepCount:
    """An update of a search that trains another task or network than the config; nothing where none does."""
    other = _source(config, pruning)
    if other is not None:
        return counts.step(other, classes)
    search = pruning.search
    return StepCount() if search is None else counts.step(search_config(config, search), search.classes(classes))


def _source(config: Config, pruning: PruningSpec) -> Config | None:
    """The config with the network that a critical set is found with; None: its own."""
    source = None if pruning.prac is None else pruning.prac.source
    return None if source is None else config.model_copy(update={"backbone": source})


def largest_part(search: SearchSpec, sizes: Sequence[int]) -> list[int]:
    """Samples of each class that a search draws from: of some of unequal classes, the largest."""
    if search.share_of_samples is not None:
        return [part(search.share_of_samples, size) for size in sizes]
    return sorted(sizes, reverse=True)[: search.classes(len(sizes))]


def _search(config: Config, pruning: PruningSpec, sizes: Sequence[int], counts: Counts) -> Work:
    """Up to the rewind point, all levels, and all scorings."""
    search = pruning.search or SearchSpec()
    seen, own = largest_part(search, sizes), pruning.search_train(config.train)
    task = config if pruning.search is None else search_config(config, pruning.search)
    steps = pruning.rewind_step(own, sum(seen)) + pruning.search_updates(config.train, sum(seen))
    unknown = search.share_of_classes is not None and len(set(sizes)) > 1
    found = updates(steps, own.batch_size, counts.step(task, len(seen)))
    rounds = pruning.rounds if pruning.scored == "trained" else 1
    scoring = Work(flops=rounds * _scoring_flops(config, pruning, seen, counts), at_most=unknown)
    return found + scoring + _predictions(config, pruning, sum(sizes), len(sizes), counts)


def _scoring_flops(config: Config, pruning: PruningSpec, sizes: Sequence[int], counts: Counts) -> float:
    """Operations of one scoring; the magnitude of weights and random numbers take none."""
    score, pixels = pruning.score, counts.pixels(config)
    if not isinstance(score, SnipScore | GraspScore | SynflowScore):
        return 0.0
    method = as_classifier(untrained(config, pixels, len(sizes)))
    shape = pixels.channels, pixels.input_size, pixels.input_size
    few = ScoringBatch(
        torch.empty(PROBED, *shape, device="meta"), torch.zeros(PROBED, dtype=torch.int64, device="meta"), 1.0
    )
    with FlopCounter() as counter:
        match score:
            case SnipScore():
                snip_scores(method, [few])
            case GraspScore():
                grasp_scores(method, [few], score.temperature)
            case SynflowScore():  # in double precision and on the CPU, which changes no shape
                flow = method.eval().logits(torch.empty(1, *shape, device="meta")).sum()
                torch.autograd.grad(flow, list(prunable_weights(method).values()))
    flops = counter.flops
    if isinstance(score, SynflowScore):
        return flops * score.shots
    return flops / PROBED * sum(min(score.samples_per_class, size) for size in sizes)


def _predictions(config: Config, pruning: PruningSpec, samples: int, classes: int, counts: Counts) -> Work:
    """Of a search on critical samples: the predictions on all of them, and that its levels are shorter than others."""
    prac = pruning.prac
    if prac is None:
        return Work()
    pixels, each = counts.pixels(config), 0.0
    if prac.disagreement is not None:
        method = as_classifier(untrained(config, pixels, classes)).eval()
        each = forward_flops(lambda image: in_batches(method.logits, image, pixels), empty(pixels), samples)
        each *= 2 if prac.disagreement == "pruned" else 1
    shorter = prac.scaled_updates or prac.early_bird is not None
    return Work(flops=pruning.levels * each, at_most=shorter)


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
        **vars(work),
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
