"""What of a submission's results contradicts the runs that they are of, themselves, or each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlth_bench.board.submission import Finding
from dlth_bench.datasets.catalog import MOST_UNREADABLE
from dlth_bench.datasets.registry import class_catalog, published_size, validation_counts
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.recipe import MLPSpec
from dlth_bench.protocols.tickets import PruningSpec
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Result, Run, TicketFacts, contradictions
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.text import quoted

_FLOPS_TOLERANCE = 0.25
"""FLOPs an image may differ from the reference's by so much: the head grows with the classes, counters change. On
Glyphs they differ by .2 to 1.2 %."""

_MAX_FLOPS_A_SECOND = 1e16
"""Of one device; five times what the fastest of 2026 does in the formats that training uses."""


def result_findings(
    results: Sequence[Result], protocol: Protocol, subset: Subset, path: Path, exponent: float = 0.0
) -> Iterator[Finding]:
    """What is wrong with results that are said to be of the protocol's runs on the subset, at an exponent of it."""
    runs = {(run.config.name, run.seed): run for run in grid_runs(protocol, subset, exponent=exponent)}
    counts = validation_counts(protocol.data, subset.class_ids)
    for result in results:
        run = runs.get((result.config, result.seed))
        label = f"config {quoted(result.config)} seed {result.seed}"
        if run is None:
            yield Finding(path, f"{label} is not part of {protocol.key}", field="config")
        elif result.run != run.digest:
            yield Finding(path, f"{label} is a result of another run than this subset's", f"{run.digest}", "run")
        elif result.status == "finished":
            for field, problem, expected in _implausible(result, run, counts, protocol):
                yield Finding(path, f"{label}: {problem}", expected, field)
    yield from _data_findings(results, protocol, path)
    yield from _copies(results, path)


def _implausible(
    result: Result, run: Run, counts: tuple[int, ...] | None, protocol: Protocol
) -> Iterator[tuple[str, str, str]]:
    """Field, problem and what would be right, of a finished result that contradicts itself or its run."""
    yield from contradictions(result, len(run.class_ids), run.evaluated_samples)
    if counts is not None and len(counts) == len(result.class_counts) and counts != result.class_counts:
        at = next(index for index, pair in enumerate(zip(counts, result.class_counts, strict=True)) if len({*pair}) > 1)
        problem = f"says {result.class_counts[at]} validation samples of {run.class_ids[at]}"
        yield f"class_counts.{at}", problem, f"{protocol.data.dataset} has {counts[at]}"
    if result.replaced != run.replaced:
        yield "replaced", f"says that its subset replaces {result.replaced}", run.replaced
    yield from _implausible_metrics(result, run)
    yield from ticket_contradictions(result.ticket, run.config.pruning)
    yield from _implausible_cost(result, run, protocol)


def _implausible_metrics(result: Result, run: Run) -> Iterator[tuple[str, str, str]]:
    said = [value.metric for one in result.measured for value in one.values]
    stray = next((metric for metric in said if metric not in run.config.metrics or said.count(metric) > 1), None)
    if stray is not None:
        yield "measured", f"says {stray.name} twice, or without being asked", ""


def ticket_contradictions(ticket: TicketFacts | None, pruning: PruningSpec | None) -> Iterator[tuple[str, str, str]]:
    """Field, problem and what would be right, of a ticket that is not what its config finds."""
    if pruning is None:
        if ticket is not None:
            yield "ticket", "has a ticket, but its config does not prune", ""
    elif ticket is None:
        yield "ticket", "lacks the ticket that its config is to find", ""
    else:
        live = pruning.live_after(pruning.rounds, ticket.prunable_weights)
        if (ticket.live_weights, len(ticket.levels)) != (live, pruning.levels):
            told = f"{ticket.live_weights} of {ticket.prunable_weights} weights after {len(ticket.levels)} levels"
            yield "ticket", f"its ticket has {told}", f"the config leaves {live} after {pruning.levels}"
        if (ticket.prac is None) != (pruning.prac is None):
            yield "ticket.prac", "has facts of critical samples if and only if its config searches on them", ""
        yield from _implausible_set(ticket)


def _implausible_set(ticket: TicketFacts) -> Iterator[tuple[str, str, str]]:
    prac = ticket.prac
    if prac is None:
        return
    if prac.selected > prac.samples:
        yield "ticket.prac.selected", f"tells of a set of {prac.selected} of {prac.samples} samples", ""
    made = sum(0 if level.prac is None else level.prac.updates for level in ticket.levels)
    if made != prac.search_updates:
        yield (
            "ticket.prac.search_updates",
            f"tells of {prac.search_updates} updates of a search",
            f"its levels made {made}",
        )


def _implausible_cost(result: Result, run: Run, protocol: Protocol) -> Iterator[tuple[str, str, str]]:
    cost = result.cost
    if cost is None:
        return
    seen = _images_seen(result, run)
    if seen is not None and not seen[0] <= cost.images <= seen[1]:
        takes = f"{seen[0]}" if seen[0] == seen[1] else f"{seen[0]} to {seen[1]}, by the published sizes of its classes"
        yield "cost.images", f"saw {cost.images} images in training, the run takes {takes}", ""
    whole = None if protocol.reference is None else protocol.reference.configs[run.config.name].cost
    if whole is not None and whole.images and whole.flops and cost.images:
        fewer = len(class_catalog(run.data.dataset)) - len(run.class_ids)
        expected = (whole.flops / whole.images - fewer * _head_flops(run.config)) * cost.images
        if abs(cost.flops / expected - 1) > _FLOPS_TOLERANCE:
            problem = f"took {cost.flops:.3g} FLOPs for {cost.images} images"
            yield "cost.flops", problem, f"at the reference's rate it is {expected:.3g}"
    if cost.device_seconds * _MAX_FLOPS_A_SECOND < cost.flops or not cost.device_seconds:
        problem = f"took {cost.device_seconds:.3g} device seconds for {cost.flops:.3g} FLOPs"
        yield "cost.device_seconds", problem, "no device is as fast as that"


def _head_flops(config: Config) -> float:
    """Operations an image and class of a linear head where it is a large part of the network: in a perceptron.

    A product forward and two backward, of a multiplication and an addition each.
    """
    return 6.0 * config.backbone.widths[-1] if isinstance(config.backbone, MLPSpec) else 0.0


def _images_seen(result: Result, run: Run) -> tuple[int, int] | None:
    """Fewest and most images that a run sees; None where nothing is known of its classes' sizes.

    Of a search on critical samples it is what its own levels add up to. A protocol that leaves its data's digest open
    is held to the published dataset. Few images may be undecodable.
    """
    prac = None if result.ticket is None else result.ticket.prac
    told = run.images_seen_with(prac=prac)
    if told is not None:
        return told, told
    published = published_size(run.data.dataset)
    if published is None:
        return None
    fewest, most = published.train_of_class
    readable, classes = math.floor(fewest * (1 - MOST_UNREADABLE)), len(run.class_ids)
    try:
        low, high = (run.images_seen_with([each] * classes, prac) for each in (readable, most))
    except ValueError:  # too few for one batch: no subset that the protocol takes
        return None
    return None if low is None or high is None else (low, high)


def _data_findings(results: Sequence[Result], protocol: Protocol, path: Path) -> Iterator[Finding]:
    frozen = protocol.data.manifest_digest
    for result in results:
        if frozen is not None and result.manifest_digest not in (None, frozen):
            problem = f"config {quoted(result.config)} seed {result.seed} is of other data: {result.manifest_digest}"
            yield Finding(path, problem, f"{protocol.data.dataset} has {frozen}", "manifest_digest")


def _copies(results: Sequence[Result], path: Path) -> Iterator[Finding]:
    """Two seeds never have the same losses to the last digit: one is a copy."""
    seen: dict[tuple[str, tuple[float, ...], tuple[float, ...]], int] = {}
    for result in results:
        losses = result.curves.pretrain_loss, result.curves.evaluation_loss
        if result.status != "finished" or not any(losses):
            continue
        first = seen.setdefault((result.config, *losses), result.seed)
        if first != result.seed:
            problem = f"config {quoted(result.config)} seed {result.seed} has the losses of seed {first}"
            yield Finding(path, problem, "each seed is a run of its own", "curves")
