"""What a run is said to take before it begins is what its result says that it took."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_training import CLASSES, CONFIGS, IMAGES_PER_CLASS, RESNET, SGD, tiny_run, train_spec

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.methods import SupervisedSpec
from dlth_bench.protocols.protocol import Config, Cost
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.runs.run import Run
from dlth_bench.subsets.subset import Replaced, Subset
from dlth_bench.training.estimates.run import Estimate, estimated
from dlth_bench.training.estimates.step import Counts
from dlth_bench.training.measurements.stable_point import costliest_search, search_first_stable
from dlth_bench.training.train_run import train_run
from dlth_bench.util.errors import InputError

FULL = (IMAGES_PER_CLASS,) * len(CLASSES)
SOLID = RESNET.model_copy(update={"zero_init_residual": False})
FIT = {"duration": {"epochs": 2}, "batch_size": 5, "optimizer": {"kind": "sgd", "lr": 0.5}}
PRUNING = {"rounds": 2, "rate": 0.5, "rewind": {"steps": 3}}
AT_INIT = {"rounds": 2, "rate": 0.5, "scored": "rewound"}
MEASURED: tuple[dict[str, Any], ...] = (
    {"kind": "barrier", "points": 3},
    {"kind": "few_shot", "per_class": 3, "train": FIT},
    {"kind": "ticket_probe", "blocks": [1, 2], "batch_norm": True, "train": FIT | {"batch_size": 200}},
    {
        "kind": "transfer", "dataset": "glyphs", "classes": ["U+0044", "U+0045"], "images_per_class": 8,
        "pixel_mean": [0.1], "pixel_std": [0.3], "train": FIT,
    },
)  # fmt: skip
EXACT: dict[str, dict[str, Any]] = {
    "dense": {},
    "barrier from update 4": {"measure": [{"kind": "barrier", "start": {"steps": 4}, "points": 3}]},
    "watched": {"measure": [{"kind": "forgetting"}, {"kind": "convergence"}]},
    "removal": {"removal": {"order": "hardest", "share": 0.4}, "measure": [{"kind": "barrier", "points": 3}]},
    "ticket, measured": {"pruning": PRUNING, "measure": MEASURED},
    "new weights": {"pruning": PRUNING | {"baseline": "reinit"}, "measure": [{"kind": "barrier", "points": 3}]},
    "snip": {"pruning": AT_INIT | {"score": {"kind": "snip", "samples_per_class": 3}}},
    "grasp": {"pruning": AT_INIT | {"score": {"kind": "grasp", "samples_per_class": 50}}},
    "synflow": {"pruning": AT_INIT | {"score": {"kind": "synflow", "shots": 3}}},
    "prac of whole levels": {
        "pruning": PRUNING
        | {"prac": {"scaled_updates": False, "early_bird": None, "disagreement": "pruned", "max_forgets": 0}}
    },
}


def config(**given: Any) -> Config:
    """A ResNet of two blocks trained for twelve steps of eight images."""
    fields = {
        "name": "measured",
        "title": "Measured",
        "backbone": SOLID,
        "method": SupervisedSpec(kind="supervised", augment=AugmentSpec(crop_scale=(0.5, 1.0))),
        "train": train_spec(SGD),
    }
    return Config.model_validate(fields | given)


def both(run: Run) -> tuple[Cost, Estimate]:
    """What a run took, and what it was said to take."""
    estimate = estimated(run, FULL, Counts(run.data, 32))
    cost = train_run(run, Glyphs(), device="cpu").cost
    assert cost is not None
    return cost, estimate


@pytest.mark.parametrize("given", EXACT.values(), ids=EXACT)
def test_images_and_operations_are_those_of_the_run(given: dict[str, Any]) -> None:
    """Whoever reads the estimate before training finds the same in the result: all that is trained is counted."""
    cost, estimate = both(tiny_run(config(**given)))
    assert not estimate.at_most
    assert estimate.images == cost.images
    assert estimate.flops == pytest.approx(cost.flops)


@pytest.mark.parametrize("kind", CONFIGS)
def test_operations_of_every_method_are_those_of_the_run(kind: str) -> None:
    """Attention too, though an estimate runs none of the kernels that training does."""
    cost, estimate = both(tiny_run(CONFIGS[kind]))
    assert estimate.images == cost.images
    assert estimate.flops == pytest.approx(cost.flops)


def test_every_two_view_method_is_estimated() -> None:
    """Also one whose loss needs numbers, which counting does without elsewhere: all cost about twice their network."""
    protocol = find_protocol("cifar100-ssl")
    counts = Counts(protocol.data, 32)
    flops = [counts.step(config, 10).flops for config in protocol.configs]
    assert min(flops) > max(flops) / 2 > 0


@pytest.mark.parametrize(
    "given",
    [
        {"measure": [{"kind": "first_stable_point", "parts": 5, "points": 3, "threshold": 0.2}]},
        {"pruning": PRUNING | {"prac": {"early_bird": {"distance": 0.5, "patience": 1}}}},
    ],
    ids=["first stable point", "prac"],
)
def test_what_depends_on_what_is_found_is_a_bound(given: dict[str, Any]) -> None:
    """An estimate that cannot be exact says so, and the run takes no more."""
    cost, estimate = both(tiny_run(config(**given)))
    assert estimate.at_most
    assert cost.images <= estimate.images
    assert cost.flops <= estimate.flops * (1 + 1e-9)


@pytest.mark.parametrize("replaced", ["search", "sparse_training", "probe"])
def test_phases_that_a_subset_does_not_replace_are_of_the_full_data(replaced: Replaced) -> None:
    """A subset that replaces the search alone does not make the ticket's training cheaper."""
    train = train_spec(SGD).model_dump() | {"duration": {"epochs": 4}}
    given = config(pruning=PRUNING | {"rewind": {"steps": 1}}, measure=MEASURED, train=train)
    halves = (Glyphs().load("train", [item], IMAGES_PER_CLASS).sample_ids[:4] for item in CLASSES)
    subset = Subset(dataset="glyphs", unit="sample", ids=tuple(item for half in halves for item in half))
    cost, estimate = both(Run.on(subset, tiny_run(given).data, given, 0, replaces=replaced))
    assert estimate.images == cost.images
    assert estimate.flops == pytest.approx(cost.flops)


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 7, 20])
def test_no_search_for_the_stable_point_costs_more_than_the_costliest(parts: int) -> None:
    """Over all thresholds of a barrier that falls, the dearest search is the bound or below it, and one reaches it."""

    def spent(first: int) -> int:
        found = search_first_stable(lambda part: float(part < first), parts, 0.5)
        return sum(100 - part for part, _ in found.probes)

    most = costliest_search(lambda part: 100 - part, parts)
    assert max(spent(first) for first in range(parts + 1)) == most


def test_too_few_samples_for_a_stage_are_told() -> None:
    """A search on a share that fills no batch ends in a line that names the config, before anything is trained."""
    run = tiny_run(config(pruning=PRUNING | {"search": {"share_of_samples": 0.1}}))
    with pytest.raises(InputError, match="config measured: 3 training samples do not fill one batch of 8"):
        estimated(run, FULL, Counts(run.data, 32))
