"""The drafts on critical samples, limited supervision and depth are the grids of the papers' tables and figures."""

from __future__ import annotations

import pytest

from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.tickets import PruningSpec

FULL = 50_000
"""Training samples of CIFAR-10."""

PRAC = {
    "resnet20-standard": (0.1, 0),
    "resnet20-low": (0.01, 0),
    "resnet20-warmup": (0.03, 15),
    "resnet56-standard": (0.1, 0),
    "resnet56-low": (0.01, 0),
    "resnet56-warmup": (0.03, 15),
    "vgg16": (0.1, 0),
}
"""Rate and warm-up epochs of the PrAC paper's Table 1, its rows of CIFAR-10."""


def configs_of(name: str) -> tuple[Config, ...]:
    return find_protocol(f"cifar10-tickets-{name}").configs


def pruning_of(config: Config) -> PruningSpec:
    assert config.pruning is not None
    return config.pruning


@pytest.mark.parametrize("config", configs_of("prac"), ids=lambda config: config.name)
def test_prac_has_the_recipes_of_table_1(config: Config) -> None:
    """Rate, warm-up, batch and decays of each row; the rate falls at epochs 91 and 136 of 182, warm-up or not."""
    optimizer, steps = config.train.optimizer, config.train.duration.in_steps(FULL, config.train.batch_size)
    epoch = steps / 182
    rate, warm_epochs = PRAC[config.name]
    warm = optimizer.warmup * steps
    assert (optimizer.lr, config.train.batch_size) == (rate, 128)
    assert warm / epoch == pytest.approx(warm_epochs, abs=0.01)
    drops = [(warm + milestone * (steps - warm)) / epoch for milestone in optimizer.milestones]
    assert drops == pytest.approx([91, 136], abs=0.02)
    pruning = pruning_of(config)
    assert pruning.prac is not None
    assert pruning.rewind_step(config.train, FULL) == 3 * epoch
    assert 1 - pruning.live_after(pruning.rounds, 10**6) / 10**6 == pytest.approx(0.7903, abs=1e-4)


def test_prac_has_all_rows_of_table_1() -> None:
    """No recipe of the table is missing, none is added."""
    assert {config.name for config in configs_of("prac")} == set(PRAC)


@pytest.mark.parametrize("name", ["lowsup", "layerwise"])
def test_searches_rewind_to_one_epoch_of_samples_seen(name: str) -> None:
    """Whatever a search draws from, its weights are taken after as many samples as the full data's first epoch has."""
    for config in configs_of(name):
        pruning = pruning_of(config)
        batch = pruning.search_train(config.train).batch_size
        assert pruning.rewind_step(pruning.search_train(config.train), FULL) * batch == 390 * 128
        assert 1 - pruning.live_after(pruning.rounds, 10**6) / 10**6 == pytest.approx(0.9313, abs=1e-4)


def test_low_supervision_has_the_eight_kinds() -> None:
    """Each search differs from the one with all labels in one thing, and the control is trained on new weights."""
    found = {config.name: pruning_of(config) for config in configs_of("lowsup")}
    kinds = {
        name: None if p.search is None or p.search.method is None else p.search.method.kind for name, p in found.items()
    }
    assert {name: kind for name, kind in kinds.items() if kind} == {
        "rotnet": "rotnet",
        "exemplar": "exemplar",
        "s4l": "s4l",
    }
    searches = {name: pruning.search for name, pruning in found.items() if pruning.search is not None}
    assert searches["samples"].share_of_samples == 0.1
    assert searches["classes"].classes(10) == 2
    assert [name for name, search in searches.items() if search.permute_labels] == ["permuted"]
    assert {name: pruning.baseline for name, pruning in found.items() if pruning.baseline} == {
        "random": "random_ticket"
    }
    assert searches["labels"] == searches["random"]
    assert len(found) == 8


def test_depths_are_the_stages_of_the_network() -> None:
    """As in the paper layers go stage by stage: of the 20 of a ResNet-18 the first 5, 10, 15 and all, twice."""
    depths = [
        None if pruning_of(config).depth is None else pruning_of(config).depth for config in configs_of("layerwise")
    ]
    layers = [20 if depth is None else depth.count(20) for depth in depths]
    assert layers == [5, 10, 15, 20] * 2
    backbone = configs_of("layerwise")[0].backbone
    assert backbone.kind == "resnet"
    ends = [
        1 + sum(2 * blocks + bool(stage) for stage, blocks in enumerate(backbone.blocks[:end])) for end in (1, 2, 3, 4)
    ]
    assert ends == [5, 10, 15, 20]
    assert len({config.recipe_digest for config in configs_of("layerwise")}) == 8
