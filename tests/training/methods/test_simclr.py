"""SimCLR's loss is the paper's NT-Xent."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn
from two_view_examples import START, Array, as_views, bare, cosine, cross_entropy, embeddings, labels, method


def _expected(first: Array, second: Array, temperature: float) -> float:
    """Equation 1 averaged over all 2N ordered positive pairs, in plain loops."""
    views = [*first, *second]
    terms = []
    for i, anchor in enumerate(views):
        others = [k for k in range(len(views)) if k != i]
        logits = np.array([cosine(anchor, views[k]) / temperature for k in others])
        terms.append(cross_entropy(logits, others.index((i + len(first)) % len(views))))
    return float(np.mean(terms))


@pytest.mark.parametrize("seed", range(30))
def test_loss_is_the_paper_s_equation(seed: int) -> None:
    """On any batch and temperature, every other view of the batch is a negative, and the lengths do not count."""
    first, second = embeddings(seed)
    temperature = float(np.random.default_rng(seed).uniform(0.05, 1))
    loss = bare("simclr", temperature=temperature)(as_views(first, second), labels(len(first)), START)
    assert loss.item() == pytest.approx(_expected(first, second, temperature), rel=1e-4)


def test_head_has_one_hidden_layer_and_no_batch_norm() -> None:
    """As in solo-learn's recipe: linear with bias, ReLU, linear with bias."""
    hidden, relu, out = method("simclr").head.layers
    assert (hidden.weight.shape, hidden.bias is not None, type(relu)) == ((12, 16), True, nn.ReLU)
    assert (out.weight.shape, out.bias is not None) == ((6, 12), True)
