"""Barlow Twins's loss is the paper's."""

from __future__ import annotations

import numpy as np
import pytest
from two_view_examples import START, Array, as_views, bare, embeddings, labels


def _expected(first: Array, second: Array, weight: float) -> float:
    """Equation 1: (1 - C_ii)^2 + weight * C_ij^2 of the correlation matrix C over the batch, in plain loops."""
    total = 0.0
    for i in range(first.shape[1]):
        for j in range(second.shape[1]):
            a, b = first[:, i] - first[:, i].mean(), second[:, j] - second[:, j].mean()
            # The original code standardises by batch norm, whose eps is 1e-5.
            correlation = (a * b).mean() / np.sqrt((a.var() + 1e-5) * (b.var() + 1e-5))
            total += (1 - correlation) ** 2 if i == j else weight * correlation**2
    return total


@pytest.mark.parametrize("seed", range(30))
def test_loss_is_the_paper_s_equation(seed: int) -> None:
    """On embeddings of any batch, the loss is the scaled sum over the cross-correlation matrix."""
    first, second = embeddings(seed)
    method = bare("barlow_twins", redundancy_weight=0.02, loss_scale=0.1)
    loss = method(as_views(first, second), labels(len(first)), START)
    assert loss.item() == pytest.approx(0.1 * _expected(first, second, 0.02), rel=1e-4)


def test_identical_uncorrelated_features_have_no_loss() -> None:
    """Views that agree in features which are uncorrelated over the batch are the optimum."""
    corners = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    loss = bare("barlow_twins")(as_views(corners, corners), labels(8), START)
    assert loss.item() == pytest.approx(0, abs=1e-6)
