"""What a config that prunes takes: its search, the scoring of weights, and the training of its ticket."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from dlth_bench.spec.protocol import Config
from dlth_bench.spec.pruning import GraspScore, PruningSpec, SnipScore, SynflowScore
from dlth_bench.spec.search import SearchSpec, part
from dlth_bench.training.evaluation.accuracy import in_batches
from dlth_bench.training.flops import forward_flops
from dlth_bench.training.methods.supervised import as_classifier
from dlth_bench.training.preflight.counts import PROBED, Counts, StepCount, empty
from dlth_bench.training.preflight.work import Work, updates
from dlth_bench.training.pruning.grasp import grasp_scores
from dlth_bench.training.pruning.masks import prunable_weights
from dlth_bench.training.pruning.scoring_samples import Batch
from dlth_bench.training.pruning.search_task import search_config
from dlth_bench.training.pruning.snip import snip_scores
from dlth_bench.training.recipe_facts import untrained


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
    few = Batch(torch.empty(PROBED, *shape, device="meta"), torch.zeros(PROBED, dtype=torch.int64, device="meta"), 1.0)
    with FlopCounterMode(display=False) as counter:
        match score:
            case SnipScore():
                snip_scores(method, [few])
            case GraspScore():
                grasp_scores(method, [few], score.temperature)
            case SynflowScore():  # in double precision and on the CPU, which changes no shape
                flow = method.eval().logits(torch.empty(1, *shape, device="meta")).sum()
                torch.autograd.grad(flow, list(prunable_weights(method).values()))
    flops = float(counter.get_total_flops())
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
