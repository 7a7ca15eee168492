"""PrAC: the samples that a search for a ticket found critical (Zhang et al. 2021).

The set has a size of its own. Fewer samples than that are those of the set that were disagreed about after the most
levels, then those that most levels never learned, then the most often forgotten. The order is ours: the paper keeps
the whole set.

The search has seen all samples, so a list made from it is not free; what it took is in the list's head, in the words
of ``dlth-bench submit --selection-cost``.
"""

from __future__ import annotations

from dlth_bench.protocols.tickets import PracFacts
from dlth_bench.selection.policy import Choice, Policy, SampleRequest
from dlth_bench.selection.sample_pool import ranked, take
from dlth_bench.util.errors import InputError


def _choose(request: SampleRequest) -> Choice:
    critical = request.critical
    if critical is None:
        raise InputError("prac needs --search")
    if request.size > critical.facts.selected:
        told = f"the critical set has {critical.facts.selected} samples; leave --size out for all of them"
        raise InputError(f"size {request.size}: {told}")
    counts = critical.counts
    order = ranked(-counts["disagreements"], -counts["unlearned"], -counts["events"])
    order = order[critical.selected[order]]
    positions = take(order, request.size, request.dealt_by)
    parameters = {
        "search": critical.header.label,
        "set": f"{critical.facts.selected} of {critical.facts.samples} samples, digest {critical.facts.set_digest}",
        "selection-cost": selection_cost(critical.facts),
        "balanced": request.balanced,
    }
    return request.choice(positions, parameters)


def selection_cost(facts: PracFacts) -> str:
    """What finding the set took, as an option of ``dlth-bench submit`` takes it."""
    return f"images={facts.images},flops={facts.flops:.6g},device_seconds={facts.device_seconds:.6g}"


PRAC = Policy(
    "prac",
    "samples that a search for a ticket found critical",
    _choose,
    needs=("search",),
    takes=("balanced",),
    unit="sample",
)
