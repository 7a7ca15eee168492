"""NNCLR's neighbours, loss and queue are the paper's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from two_view_examples import START, Array, as_views, bare, cosine, cross_entropy, embeddings, labels


def _one_way(keys: Array, predictions: Array, queue: Array, temperature: float) -> float:
    """Equation 3 averaged over the batch, the neighbour by search."""
    terms = []
    for i, key in enumerate(keys):
        neighbour = max(queue, key=lambda row: cosine(key, row))
        logits = np.array([cosine(neighbour, prediction) / temperature for prediction in predictions])
        terms.append(cross_entropy(logits, i))
    return float(np.mean(terms))


@pytest.mark.parametrize("seed", range(30))
def test_loss_is_the_paper_s_equation(seed: int) -> None:
    """Each view's neighbour in the queue picks its image's prediction in the other view; both directions' mean."""
    first, second = embeddings(seed)
    temperature = float(np.random.default_rng(seed).uniform(0.05, 0.5))
    stripped = bare("nnclr", temperature=temperature, queue=15)
    queue = stripped.queue.double().numpy().copy()
    loss = stripped(as_views(first, second), labels(len(first)), START)
    expected = _one_way(first, second, queue, temperature) + _one_way(second, first, queue, temperature)
    assert loss.item() == pytest.approx(expected / 2, rel=1e-4)


@pytest.mark.parametrize(("size", "batch"), [(12, 4), (10, 4), (5, 5)])
def test_queue_keeps_the_newest_projections_of_the_first_view(size: int, batch: int) -> None:
    """After each step the first view's unit projections take the oldest places; the second's never come in."""
    stripped = bare("nnclr", queue=size)
    ring = list(stripped.queue.clone())
    numbers = np.random.default_rng(0)
    for start in range(0, 5 * batch, batch):
        first, second = as_views(numbers.normal(size=(batch, 6)), numbers.normal(size=(batch, 6)))
        stripped((first, second), labels(batch), START)
        for place, row in enumerate(torch.nn.functional.normalize(first, dim=1), start):
            ring[place % size] = row
        assert torch.equal(stripped.queue, torch.stack(ring))


def test_neighbours_take_no_gradient() -> None:
    """The gradient reaches a view through its prediction alone, not through its search key."""
    stripped = bare("nnclr")
    stripped.predictor = torch.nn.Linear(6, 6)
    torch.nn.init.zeros_(stripped.predictor.weight)
    views = [view.requires_grad_() for view in as_views(*embeddings(1))]
    stripped(tuple(views), labels(len(views[0])), START).backward()
    assert all(view.grad is None or view.grad.abs().sum() == 0 for view in views)
    assert not stripped.queue.requires_grad
