"""The arithmetic of stability measurements, against formulas and brute force."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from tiny_training import GREY, random_images
from torch import nn

from dlth_bench.training.measurements.barrier import BATCH, barrier, errors_on_path, interpolated, recalibrate
from dlth_bench.training.measurements.convergence import convergence_auc
from dlth_bench.training.measurements.frozen_ticket import few_of_each
from dlth_bench.training.measurements.stable_point import search_first_stable
from dlth_bench.training.views.augment import unaugmented


def test_the_path_has_its_ends_and_is_straight() -> None:
    """Places 0 and 1 are the two networks to the last bit; counters of batches are not averaged."""
    one = {"w": torch.randn(50), "n": torch.tensor(3)}
    other = {"w": torch.randn(50), "n": torch.tensor(8)}
    assert torch.equal(interpolated(one, other, 0.0)["w"], one["w"])
    assert torch.equal(interpolated(one, other, 1.0)["w"], other["w"])
    torch.testing.assert_close(interpolated(one, other, 0.3)["w"], 0.7 * one["w"] + 0.3 * other["w"])
    assert interpolated(one, other, 0.7)["n"] == 3


def test_barrier_of_a_parabola() -> None:
    """Ends at .1 and .3 and a hump of .5 in the middle: .5 less the ends' mean; a straight line has none."""
    zero, ten = {"w": torch.zeros(1)}, {"w": torch.full((1,), 10.0)}
    errors = errors_on_path(zero, ten, 31, lambda weights: 0.5 - 0.012 * (float(weights["w"]) - 5) ** 2)
    assert (errors[0], errors[-1], len(errors)) == (pytest.approx(0.2), pytest.approx(0.2), 31)
    assert barrier(errors) == pytest.approx(0.3)
    assert barrier([0.1, 0.2, 0.3]) == pytest.approx(0.1)
    assert barrier([0.2, 0.2, 0.2]) == 0


@pytest.mark.parametrize("parts", [2, 3, 16, 200])
def test_first_stable_point_is_the_one_that_trying_all_would_find(parts: int) -> None:
    """For barriers that only fall, whatever the point; with few probes, none made twice, and all of them told."""
    for truth in {0, 1, parts // 3, parts - 2, parts - 1, parts}:
        calls: list[int] = []

        def barrier_at(point: int, truth: int = truth, calls: list[int] = calls) -> float:
            calls.append(point)
            return 0.01 if point >= truth else 0.3

        found = search_first_stable(barrier_at, parts, 0.02)
        assert found.point == truth
        assert found.censored == (truth == parts)
        assert found.violations == ()
        assert [point for point, _ in found.probes] == calls
        assert len(set(calls)) == len(calls) <= 2 + math.ceil(math.log2(parts))


def test_barriers_that_rise_again_are_flagged() -> None:
    """A search that rests on a premise says where the probes contradict it."""
    found = search_first_stable(lambda point: 0.01 if point < 5 else 0.3, 16, 0.02)
    assert found.point == 0
    assert found.violations == ((0, 15),)


def test_area_under_a_convergence_curve() -> None:
    """1 for a jump in the first epoch, a half for a straight line (in the limit), nan without a gain."""
    assert convergence_auc([0.1, 0.9, 0.9, 0.9]) == pytest.approx(1)
    line = [0.1 + 0.8 * epoch / 1000 for epoch in range(1001)]
    assert convergence_auc(line) == pytest.approx(0.5, abs=1e-3)
    assert convergence_auc([0.5, 0.9, 0.7]) == pytest.approx((2 + 1) / 2)
    assert math.isnan(convergence_auc([0.2, 0.6, 0.2]))


def test_few_shots_are_balanced_nested_and_the_seeds() -> None:
    """As many of each class, the smaller set within the larger, another set for another seed."""
    labels = torch.arange(4).repeat_interleave(30)[torch.randperm(120)]
    small, large, other = (few_of_each(labels, count, seed) for count, seed in ((2, 7), (5, 7), (5, 8)))
    assert torch.bincount(labels[small]).tolist() == [2] * 4
    assert torch.bincount(labels[large]).tolist() == [5] * 4
    assert set(small.tolist()) < set(large.tolist()) != set(other.tolist())
    assert all(a < b for a, b in pairwise(large.tolist()))
    assert len(few_of_each(labels, 99, 0)) == 120


def test_recalibrated_statistics_are_those_of_the_batches() -> None:
    """Mean over whole batches of the batch's mean and unbiased variance; the old statistics leave no trace."""
    images = random_images(2 * BATCH + 30, size=4)
    norm = nn.BatchNorm2d(1)
    norm.running_mean.fill_(9)  # type: ignore[union-attr]
    network = nn.Sequential(norm).eval()
    recalibrate(network, images, GREY)
    batches = [unaugmented(part, GREY) for part in images[: 2 * BATCH].split(BATCH)]
    torch.testing.assert_close(norm.running_mean, torch.stack([b.mean() for b in batches]).mean()[None])
    torch.testing.assert_close(norm.running_var, torch.stack([b.var() for b in batches]).mean()[None])
    assert not network.training
