"""SynFlow's two properties: what flows in flows out, and many shots leave no layer without weights."""

from __future__ import annotations

import itertools
from copy import deepcopy

import pytest
import torch
from test_gradient_scores import resnet
from test_masks import method_of
from tiny_training import GREY
from torch import Tensor, nn

from dlth_bench.protocols.recipe import ResNetSpec
from dlth_bench.protocols.tickets import MagnitudeScore, SynflowScore
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.tickets.masks import Mask
from dlth_bench.training.tickets.scores import Scorer, shot_counts, synflow_scores


def scorer(spec: SynflowScore | MagnitudeScore) -> Scorer:
    return Scorer(spec, torch.empty(0), torch.empty(0), GREY, seed=0)


def chain(activation: type[nn.Module] = nn.ReLU) -> Supervised:
    """Layers without biases, one after the other."""
    layers = [nn.Conv2d(1, 4, 3, stride=4, bias=False), activation(), nn.Conv2d(4, 6, 3, bias=False), activation()]
    return method_of(nn.Sequential(*layers, nn.Flatten(), nn.Linear(216, 9, bias=False), activation()), 9)


def test_flow_is_conserved_from_layer_to_layer() -> None:
    """Scores sum to the network's output in each layer of a chain (Tanaka et al. 2020, theorem 1)."""
    method = chain()
    nn.init.zeros_(method.head.bias)
    scores = synflow_scores(deepcopy(method), 1, 32)
    sums = [float(score.sum()) for score in scores.values()]
    absolute = deepcopy(method).double()
    for parameter in absolute.parameters():
        parameter.data.abs_()
    flow = float(absolute.logits(torch.ones(1, 1, 32, 32, dtype=torch.float64)).sum().detach())
    assert sums == pytest.approx([flow] * 3, rel=1e-12)


def test_flow_is_conserved_through_each_hidden_unit() -> None:
    """What the weights into a channel score together is what the weights out of it score."""
    first, second, third = synflow_scores(chain(), 1, 32).values()
    torch.testing.assert_close(first.sum((1, 2, 3)), second.sum((0, 2, 3)), rtol=1e-10, atol=0)
    torch.testing.assert_close(second.sum((1, 2, 3)), third.view(9, 6, 36).sum((0, 2)), rtol=1e-10, atol=0)


def test_flow_is_conserved_along_a_residual_branch() -> None:
    """Both convolutions of a block carry the same flow; batch-norm statistics, whatever they are, do not matter."""
    method = resnet()
    method.train()
    method.logits(torch.randn(8, 1, 32, 32) + 3)
    scores = synflow_scores(method, 1, 32)
    for stage in range(2):
        first, second = (scores[f"encoder.stages.{stage}.0.conv{part}_kxk.conv.weight"].sum() for part in (1, 2))
        assert float(first) == pytest.approx(float(second), rel=1e-9)
        assert float(first) > 0


def deep() -> Supervised:
    torch.manual_seed(0)
    spec = ResNetSpec(kind="resnet", widths=(16, 32, 64), blocks=(1, 1, 1), zero_init_residual=False)
    return method_of(build_backbone(spec, 32, 1), 64)


def empty_layers(spec: SynflowScore | MagnitudeScore, density: float) -> int:
    mask = Mask.dense(deep())
    pruned = scorer(spec).prune(deep(), mask, round(density * mask.weights), level=1)
    assert pruned.count == round(density * mask.weights)
    return pruned.empty_layers


def test_hundred_shots_leave_no_layer_empty_where_one_does() -> None:
    """At 1 % of the weights SynFlow in 100 shots keeps some of every layer; in a single shot it does not."""
    assert empty_layers(SynflowScore(kind="synflow", shots=100), 0.01) == 0
    assert empty_layers(SynflowScore(kind="synflow", shots=1), 0.01) > 0


def test_shots_follow_an_exponential_to_the_exact_number() -> None:
    """Each shot removes about the same share of what is left, and the last one leaves what was asked for."""
    counts = shot_counts(100_000, 1000, 100)
    assert len(counts) == 100
    assert counts[-1] == 1000
    shares = [after / before for before, after in itertools.pairwise(counts)]
    assert shares == pytest.approx([0.01**0.01] * 99, rel=1e-3)
    assert shot_counts(50, 7, 1) == [7]


def test_scores_do_not_overflow() -> None:
    """A deep network of large weights has a flow beyond float32's range, and finite scores."""
    encoder = nn.Sequential(*(nn.Linear(32, 32, bias=False) for _ in range(40)))
    with torch.no_grad():
        for layer in encoder:
            layer.weight.fill_(1.0)
    scores = synflow_scores(method_of(encoder, 32), 1, 32)
    smallest: Tensor = torch.stack([score.min() for score in scores.values()]).min()
    assert torch.isfinite(smallest)
    assert smallest > torch.finfo(torch.float32).max
