"""BYOL's loss and target network are the paper's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from two_view_examples import START, as_views, bare, embeddings, labels, method, unit

from dlth_bench.training.methods.method import Moment


@pytest.mark.parametrize("seed", range(30))
def test_loss_is_the_paper_s_equation(seed: int) -> None:
    """Equation 2 in both directions: squared distance of the unit vectors of prediction and target."""
    first, second = embeddings(seed)
    matrix = np.random.default_rng(seed).normal(size=(6, 6))
    stripped = bare("byol", loss_scale=0.5)
    stripped.predictor = nn.Linear(6, 6, bias=False)
    stripped.predictor.weight.data = torch.from_numpy(matrix).float()
    loss = stripped(as_views(first, second), labels(len(first)), START)
    one_way = ((unit(first @ matrix.T) - unit(second)) ** 2).sum(1).mean()
    other_way = ((unit(second @ matrix.T) - unit(first)) ** 2).sum(1).mean()
    assert loss.item() == pytest.approx(0.5 * float(one_way + other_way), rel=1e-4)


@pytest.mark.parametrize("step", [0, 1, 5, 9, 10])
def test_target_is_a_moving_average_with_a_cosine_momentum(step: int) -> None:
    """target <- m target + (1 - m) online, m from .9 along a cosine to 1 at the last step; statistics are its own."""
    whole = method("byol")
    online = [*whole.encoder.parameters(), *whole.head.parameters()]
    target = [*whole.target_encoder.parameters(), *whole.target_head.parameters()]
    with torch.no_grad():
        for parameter in online:
            parameter.add_(0.3 * torch.randn_like(parameter))
    before, statistics = [p.clone() for p in target], [b.clone() for b in whole.target_encoder.buffers()]
    whole.after_step(Moment(step, 11))
    momentum = 1 - 0.1 * (1 + math.cos(math.pi * step / 10)) / 2
    for new, old, towards in zip(target, before, online, strict=True):
        torch.testing.assert_close(new, momentum * old + (1 - momentum) * towards, atol=1e-6, rtol=1e-5)
    assert all(torch.equal(new, old) for new, old in zip(whole.target_encoder.buffers(), statistics, strict=True))


def test_target_takes_no_gradient_and_starts_as_the_online_network() -> None:
    """The target begins equal and unshared, and is moved by the average alone."""
    whole = method("byol")
    pairs = zip(
        [*whole.encoder.parameters(), *whole.head.parameters()],
        [*whole.target_encoder.parameters(), *whole.target_head.parameters()],
        strict=True,
    )
    assert all(torch.equal(online, target) and online is not target for online, target in pairs)
    views = torch.randn(4, 3, 16, 16), torch.randn(4, 3, 16, 16)
    whole(views, labels(4), START).backward()
    target = [*whole.target_encoder.parameters(), *whole.target_head.parameters()]
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in target)
    online = [*whole.encoder.parameters(), *whole.head.parameters(), *whole.predictor.parameters()]
    assert all(parameter.grad is not None for parameter in online)
