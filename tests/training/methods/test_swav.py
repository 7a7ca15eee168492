"""SwAV's assignments, loss, queue and prototypes are the paper's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from two_view_examples import Array, as_views, bare, cross_entropy, embeddings, labels, method, unit

from dlth_bench.training.methods.method import Moment

EARLY, LATE = Moment(0, 11), Moment(10, 11)


def _assigned(scores: Array, epsilon: float, iterations: int) -> Array:
    """Appendix A's Sinkhorn-Knopp on scores (samples, prototypes); every row of the answer sums to one."""
    plan = np.exp(scores / epsilon).T
    plan /= plan.sum()
    prototypes, samples = plan.shape
    for _ in range(iterations):
        plan *= (1 / prototypes) / plan.sum(1, keepdims=True)
        plan *= (1 / samples) / plan.sum(0, keepdims=True)
    return (plan * samples).T


def _expected(views: tuple[Array, Array], prototypes: Array, past: Array | None) -> float:
    """Equation 2: each view's scores against the other's assignment, in plain loops, and the mean of both."""
    directions = unit(prototypes)
    scores = [unit(view) @ directions.T for view in views]
    terms = []
    for own, other in ((0, 1), (1, 0)):
        pool = scores[own] if past is None else np.concatenate([scores[own], past[own] @ directions.T])
        codes = _assigned(pool, 0.05, 3)[: len(views[own])]
        rows = zip(codes, scores[other] / 0.1, strict=True)
        terms += [sum(q * cross_entropy(row, k) for k, q in enumerate(code)) for code, row in rows]
    return float(np.mean(terms))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("queued", [False, True])
def test_loss_is_the_paper_s_equation(seed: int, queued: bool) -> None:
    """On any batch, with and without a queue, codes are balanced assignments and the loss swaps them."""
    views = embeddings(seed)
    stripped = bare("swav", queue_start=0.0)
    prototypes = stripped.prototypes.weight.detach().double().numpy()
    past = unit(np.random.default_rng(seed).normal(size=(48, 6))).reshape(2, 24, 6)
    stripped.queue.copy_(torch.from_numpy(past))
    moment = Moment(100, 200) if queued else EARLY
    loss = stripped(as_views(*views), labels(len(views[0])), moment)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(_expected(views, prototypes, past if queued else None), rel=1e-3)


def test_queue_waits_for_its_share_of_training_and_until_it_is_full() -> None:
    """Not before ``queue_start``, and not while it still holds zeros, which no projection is."""
    stripped = bare("swav", queue=24, queue_start=0.5)
    used = [stripped._queue_in_use(batch=6, moment=Moment(step, 11)) for step in range(11)]
    assert used == [step >= 5 for step in range(11)]
    stripped = bare("swav", queue=24, queue_start=0.0)
    assert [stripped._queue_in_use(batch=6, moment=Moment(step, 11)) for step in range(6)] == [False] * 4 + [True] * 2
    assert not bare("swav", queue=0)._queue_in_use(batch=6, moment=LATE)


def test_queue_keeps_the_newest_projections_of_each_view() -> None:
    """Both views' unit projections take the oldest places of their own queues, from the first step on."""
    stripped = bare("swav", queue=10, queue_start=1.0)
    rings = [list(kept) for kept in stripped.queue.clone()]
    numbers = np.random.default_rng(0)
    for start in range(0, 16, 4):
        views = as_views(numbers.normal(size=(4, 6)), numbers.normal(size=(4, 6)))
        stripped(views, labels(4), EARLY)
        for ring, view in zip(rings, views, strict=True):
            for place, row in enumerate(torch.nn.functional.normalize(view, dim=1), start):
                ring[place % 10] = row
        torch.testing.assert_close(stripped.queue, torch.stack([torch.stack(ring) for ring in rings]))


def test_prototypes_stay_fixed_for_the_first_fraction() -> None:
    """In the frozen fraction of training the prototypes lose their gradient, after it they keep it."""
    whole = method("swav", freeze_prototypes=0.5)
    for moment, kept in ((EARLY, False), (Moment(4, 11), False), (Moment(5, 11), True), (LATE, True)):
        whole.zero_grad()
        whole((torch.randn(4, 3, 16, 16), torch.randn(4, 3, 16, 16)), labels(4), moment).backward()
        whole.before_step(moment)
        assert (whole.prototypes.weight.grad is not None) is kept


def test_assignments_take_no_gradient() -> None:
    """The gradient of a view is that of its scores against the other's code, held fixed."""
    stripped = bare("swav", queue=0, sinkhorn_iterations=3)
    first, second = as_views(*embeddings(2))
    first.requires_grad_()
    stripped((first, second), labels(len(first)), EARLY).backward()
    scores = stripped._scores(torch.nn.functional.normalize(first, dim=1))
    code = torch.from_numpy(
        _assigned(stripped._scores(torch.nn.functional.normalize(second, dim=1)).detach().double().numpy(), 0.05, 3)
    )
    own = -(code.float() * (scores / 0.1).log_softmax(1)).sum(1).mean() / 2
    (expected,) = torch.autograd.grad(own, first)
    torch.testing.assert_close(first.grad, expected, atol=1e-5, rtol=1e-3)
