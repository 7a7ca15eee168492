"""Masks that look at no weight: exact numbers, the layer densities they promise, and draws from the seed alone."""

from __future__ import annotations

import math

import pytest
import torch
from test_gradient_scores import resnet
from test_masks import dense

from dlth_bench.training.tickets.masks import Mask
from dlth_bench.training.tickets.scores import (
    erk_counts,
    erk_densities,
    permuted_in_layers,
    random_erk_mask,
    random_mask,
)

SHAPES = {
    name: torch.Size(shape)
    for name, shape in {
        "stem": (16, 3, 3, 3),
        "point": (16, 16, 1, 1),
        "wide": (32, 16, 3, 3),
        "wider": (64, 32, 3, 3),
        "linear": (100, 64),
    }.items()
}
TOTAL = sum(math.prod(shape) for shape in SHAPES.values())


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("density", [0.001, 0.02, 0.1, 0.3, 0.6, 0.9, 1.0])
def test_erk_densities_solve_their_equation(density: float) -> None:
    """Together they keep what was asked for; sparse layers follow the rule with one factor, by which dense ones
    would be more than full."""
    count = round(density * TOTAL)
    found = erk_densities(SHAPES, count)
    assert sum(found[name] * math.prod(shape) for name, shape in SHAPES.items()) == pytest.approx(count)
    assert all(0 < value <= 1 for value in found.values())
    rule = {name: sum(shape) / math.prod(shape) for name, shape in SHAPES.items()}
    factors = [found[name] / rule[name] for name in SHAPES if found[name] < 1]
    if factors:
        assert factors == pytest.approx([factors[0]] * len(factors))
        assert all(factors[0] * rule[name] > 1 for name in SHAPES if found[name] == 1)


def test_erk_rule_by_hand() -> None:
    """Two layers (n_in + n_out + kh + kw) / (n_in n_out kh kw): (2 + 4 + 3 + 3) / 72 and (4 + 4) / 16, 22 to keep:
    the factor is 22 / 20, so the densities are 1.1 / 6 and 1.1 / 2."""
    shapes = {"conv": torch.Size((4, 2, 3, 3)), "linear": torch.Size((4, 4))}
    assert erk_densities(shapes, 22) == pytest.approx({"conv": 1.1 / 6, "linear": 1.1 / 2})
    assert erk_counts(shapes, 22) == {"conv": 13, "linear": 9}


@pytest.mark.parametrize("count", [0, 1, 17, 999, 5000, TOTAL - 1, TOTAL])
def test_erk_mask_is_exact(count: int) -> None:
    """Exactly so many weights, and each layer within one of its density."""
    if count == 0:
        assert random_erk_mask(dense(SHAPES), 0, generator()).count == 0
        return
    mask = random_erk_mask(dense(SHAPES), count, generator())
    assert mask.count == count
    for name, density in erk_densities(SHAPES, count).items():
        assert abs(int(mask.live[name].sum()) - density * math.prod(SHAPES[name])) < 1


def test_random_mask_is_exact_and_alike_over_layers() -> None:
    """Exactly so many weights, in each layer about its share, from the generator alone."""
    first, again = (random_mask(dense(SHAPES), 9000, generator()) for _ in range(2))
    assert first.count == 9000
    assert first.digest == again.digest != random_mask(dense(SHAPES), 9000, generator(1)).digest
    for live in first.live.values():
        share = 9000 / TOTAL
        spread = math.sqrt(share * (1 - share) / live.numel())
        assert abs(live.float().mean() - share) < 5 * spread


def test_permuted_mask_keeps_each_layer_s_number() -> None:
    """A shuffle within layers: the same layer densities, other places."""
    mask = random_erk_mask(Mask.dense(resnet()), 500, generator())
    permuted = permuted_in_layers(mask, generator(1))
    assert permuted.digest != mask.digest
    for name, live in mask.live.items():
        assert permuted.live[name].shape == live.shape
        assert int(permuted.live[name].sum()) == int(live.sum())
        if 0 < live.sum() < live.numel() / 2 and live.numel() > 100:
            assert not torch.equal(permuted.live[name], live)
