"""What a spec of pruning promises: units that agree, exact numbers of weights and updates, and old digests."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.recipe import Duration, OptimizerSpec, TrainSpec
from dlth_bench.protocols.tickets import PruningSpec, RewindPoint
from dlth_bench.util.model import digest_of
from tiny_grid import finished

PUBLISHED_SPARSITY = {1: 20.00, 2: 36.00, 5: 67.23, 7: 79.03, 10: 89.26, 12: 93.13, 15: 96.48, 20: 98.85, 29: 99.85}
"""Percent of the weights that are gone after some rounds of 20 %, as papers on tickets print them."""


def train(epochs: float = 10, batch_size: int = 20) -> TrainSpec:
    optimizer = OptimizerSpec(kind="sgd", lr=0.1)
    return TrainSpec(duration=Duration(epochs=epochs), batch_size=batch_size, optimizer=optimizer)


def pruned(config: Config, **pruning: Any) -> Config:
    """A supervised config with a search."""
    return Config.model_validate(config.model_dump() | {"pruning": {"rounds": 3} | pruning})


def test_sparsity_after_rounds_is_the_published_one() -> None:
    """Rounds of 20 % leave what papers on iterative pruning call by these percentages."""
    spec = PruningSpec(rounds=29)
    for rounds, percent in PUBLISHED_SPARSITY.items():
        assert 100 - spec.live_after(rounds, 10**7) / 10**5 == pytest.approx(percent, abs=0.006)


def test_each_round_removes_a_share_of_what_is_left() -> None:
    """The numbers of weights are exact, rounded once a round."""
    spec = PruningSpec(rounds=4, rate=0.3)
    assert [spec.live_after(rounds, 101) for rounds in range(5)] == [101, 71, 50, 35, 25]


@pytest.mark.parametrize("point", [{"epochs": 2}, {"steps": 10}, {"images": 200}, {"fraction": 0.2}])
def test_rewind_points_in_all_units_agree(point: dict[str, float]) -> None:
    """With 100 samples in batches of 20 for 10 epochs, each of these is update 10 of 50."""
    assert RewindPoint.model_validate(point).in_steps(train(), 100) == 10


@pytest.mark.parametrize("point", [{}, {"epochs": 1, "steps": 2}, {"steps": 0}, {"fraction": 1.0}, {"epochs": -1}])
def test_rewind_point_has_one_sensible_unit(point: dict[str, float]) -> None:
    """None, two, or a point outside training is refused."""
    with pytest.raises(ValidationError):
        RewindPoint.model_validate(point)


def test_rewind_point_after_training_is_refused() -> None:
    """A point given in samples may lie past the end of a short training on a small subset; the error says so."""
    with pytest.raises(ValueError, match="update 80, is not before the end of training, update 50"):
        RewindPoint(images=1600).in_steps(train(), 100)


@pytest.mark.parametrize(
    ("pruning", "updates"),
    [
        ({}, 4 * 50),
        ({"rewind": {"epochs": 2}}, 10 + 4 * 40),
        ({"rewind": {"epochs": 2}, "baseline": "permute_layer"}, 10 + 4 * 40),
        ({"rewind": {"epochs": 2}, "baseline": "reinit"}, 10 + 3 * 40 + 50),
        ({"scored": "rewound", "score": {"kind": "snip"}}, 50),
        ({"scored": "rewound", "score": {"kind": "snip"}, "rewind": {"epochs": 2}}, 10 + 40),
        ({"scored": "rewound", "score": {"kind": "random"}, "baseline": "random_ticket"}, 50),
    ],
)
def test_all_updates_are_counted(pruning: dict[str, Any], updates: int) -> None:
    """The cost of a search is that of every training: to the rewind point, of each round, of the ticket."""
    assert PruningSpec.model_validate({"rounds": 3} | pruning).updates(train(), 100) == updates


def test_configs_without_pruning_keep_their_digests(tiny: Protocol) -> None:
    """The part is new: where it is not given, digests are those of the days before it, and so are stored results."""
    for config in tiny.configs:
        before = {name: value for name, value in config.model_dump(mode="json").items() if name != "pruning"}
        assert config.pruning is None
        assert digest_of(Config.model_validate(before)) == digest_of(config)
        assert "pruning" not in config.model_dump(exclude_defaults=True)
    assert tiny.digest == "3de13eafc70adea4125cc6f52eae787ad51e95c4568313318c43bece7b8c3783"


def test_pruning_makes_another_recipe(tiny: Protocol) -> None:
    """What is pruned, how and against which control is part of a run's identity."""
    config = tiny.config("supervised")
    unmixed = Config.model_validate(config.model_dump() | {"method": config.method.model_dump() | {"mixup": 0.0}})
    variants = [
        config,
        pruned(config),
        pruned(config, rate=0.3),
        pruned(config, rounds=4),
        pruned(config, rewind={"epochs": 1}),
        pruned(config, rewind={"epochs": 2}),
        pruned(config, baseline="reinit"),
        pruned(config, baseline="permute_layer"),
        pruned(config, scored="rewound"),
        pruned(config, scored="rewound", score={"kind": "random"}),
        pruned(unmixed),
        pruned(unmixed, prac={}),
        pruned(unmixed, prac={"max_forgets": 1}),
        pruned(unmixed, prac={"early_bird": None}),
    ]
    assert len({variant.recipe_digest for variant in variants}) == len(variants)


def test_results_of_old_days_are_read(tiny: Protocol) -> None:
    """A result without a ticket is valid, and is written without one."""
    from dlth_bench.runs.run import Run
    from tiny_grid import SUBSET

    result = finished(Run.on(SUBSET, tiny.data, tiny.configs[0], 0))
    assert result.ticket is None
    assert "ticket" not in result.model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("config", "pruning", "problem"),
    [
        ("moco", {}, "pruning needs a supervised method"),
        ("supervised", {"score": {"kind": "random"}}, "needs scored: rewound"),
        ("supervised", {"scored": "rewound", "score": {"kind": "synflow"}}, "of convolutional networks"),
        ("supervised", {"rate": 1.0}, "less than 1"),
        ("supervised", {"score": {"kind": "snap"}}, "'snip'"),
        ("supervised", {"prac": {}, "score": {"kind": "snip"}}, "prac is a search by the magnitude"),
        ("supervised", {"prac": {}, "scored": "rewound"}, "prac is a search by the magnitude"),
        ("supervised", {"baseline": "shuffled"}, "'permute_layer'"),
    ],
)
def test_what_cannot_be_pruned_is_refused(config: str, pruning: dict[str, Any], problem: str, tiny: Protocol) -> None:
    """A search that makes no sense is an error of the protocol's author, before anything is trained."""
    with pytest.raises(ValidationError, match=problem):
        pruned(tiny.config(config), **pruning)


def test_critical_samples_need_labels_of_their_own(tiny: Protocol) -> None:
    """Of a mixed sample nobody can say whether it was forgotten."""
    config = tiny.config("supervised")
    mixed = config.model_dump() | {"method": config.method.model_dump() | {"mixup": 0.2}}
    with pytest.raises(ValidationError, match="without mixup, cutmix and repeats"):
        pruned(Config.model_validate(mixed), prac={})


def test_most_that_a_search_on_critical_samples_can_take() -> None:
    """Before it ran, its updates are bounded by those of a search on all samples, with another network's by twice."""
    vanilla = PruningSpec(rounds=3).updates(train(), 100)
    source = {"kind": "resnet", "widths": [8], "blocks": [1]}
    assert PruningSpec.model_validate({"rounds": 3, "prac": {}}).updates(train(), 100) == vanilla
    transferred = PruningSpec.model_validate({"rounds": 3, "prac": {"source": source}})
    assert transferred.updates(train(), 100) == vanilla + 3 * 50


def test_flow_through_branches_that_start_as_identities_is_refused(tiny: Protocol) -> None:
    """A residual branch whose last norm starts at 0 lets no gradient through: SNIP would remove it for no reason."""
    config = tiny.config("supervised").model_dump() | {"backbone": tiny.config("moco").backbone}
    search = {"scored": "rewound", "score": {"kind": "snip"}}
    with pytest.raises(ValidationError, match="zero_init_residual: false"):
        pruned(Config.model_validate(config), **search)
    pruned(Config.model_validate(config), **search, rewind={"epochs": 1})
