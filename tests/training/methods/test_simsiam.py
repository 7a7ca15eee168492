"""SimSiam's loss, stopped gradient and predictor's rate are the paper's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from two_view_examples import START, as_views, bare, cosine, embeddings, labels, method

from dlth_bench.protocols.recipe import OptimizerSpec
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.optimizers import build_optimizer, set_rates


@pytest.mark.parametrize("seed", range(30))
def test_loss_is_the_paper_s_equation(seed: int) -> None:
    """Equation 2: the mean of both directions' negative cosines of prediction and projection."""
    first, second = embeddings(seed)
    matrix = np.random.default_rng(seed).normal(size=(6, 6))
    stripped = bare("simsiam")
    stripped.predictor = nn.Linear(6, 6, bias=False)
    stripped.predictor.weight.data = torch.from_numpy(matrix).float()
    loss = stripped(as_views(first, second), labels(len(first)), START)
    pairs = zip(first, second, strict=True)
    expected = -np.mean([(cosine(matrix @ a, b) + cosine(matrix @ b, a)) / 2 for a, b in pairs])
    assert loss.item() == pytest.approx(float(expected), rel=1e-4, abs=1e-6)


def test_no_gradient_flows_into_the_target() -> None:
    """A view's gradient comes from its own prediction alone: with a predictor of zero gradient it has none."""
    stripped = bare("simsiam")
    views = [view.requires_grad_() for view in as_views(*embeddings(1))]
    stripped.predictor = nn.Sequential(nn.Linear(6, 6))
    stripped(tuple(views), labels(len(views[0])), START).backward()
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in views)
    for view in views:
        view.grad = None
    nn.init.zeros_(stripped.predictor[0].weight)  # predictions no longer depend on the view
    stripped(tuple(views), labels(len(views[0])), START).backward()
    assert all(view.grad is None or view.grad.abs().sum() == 0 for view in views)


def test_the_predictor_s_rate_is_constant() -> None:
    """Section 4.2: all other rates follow the warm-up and the cosine, the predictor's stays at the peak."""
    whole = method("simsiam")
    spec = OptimizerSpec(kind="sgd", lr=0.5, warmup=0.2)
    optimizer = build_optimizer(spec, whole)
    predictor = {id(parameter) for parameter in whole.predictor.parameters()}
    for step, rate in ((0, 0.0), (1, 0.25), (2, 0.5), (6, 0.25)):
        set_rates(spec, optimizer, Moment(step, 10))
        rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
        assert len(rates) == len(list(whole.parameters()))
        assert {rates[key] for key in predictor} == {0.5}
        others = [rates[key] for key in rates.keys() - predictor]
        assert others == pytest.approx([rate] * len(others))
