"""VICReg's loss is the paper's, with the invariance term of the original code."""

from __future__ import annotations

import numpy as np
import pytest
from two_view_examples import START, Array, as_views, bare, embeddings, labels


def _variance(z: Array) -> float:
    """Equation 1, gamma = 1, eps = 1e-4, the unbiased variance."""
    return float(np.mean([max(0.0, 1 - np.sqrt(z[:, j].var(ddof=1) + 1e-4)) for j in range(z.shape[1])]))


def _covariance(z: Array) -> float:
    """Equations 3 and 4 in plain loops."""
    n, d = z.shape
    centred = z - z.mean(0)
    total = 0.0
    for i in range(d):
        for j in range(d):
            if i != j:
                total += (sum(centred[k, i] * centred[k, j] for k in range(n)) / (n - 1)) ** 2
    return total / d


@pytest.mark.parametrize("seed", range(30))
def test_loss_is_the_paper_s_equation(seed: int) -> None:
    """Equation 6: the weighted sum of mean squared error, both variances and both covariances."""
    first, second = embeddings(seed)
    first, second = 0.5 * first, 0.5 * second  # so that most spreads are below one
    method = bare("vicreg", invariance_weight=7.0, variance_weight=3.0, covariance_weight=2.0)
    loss = method(as_views(first, second), labels(len(first)), START)
    variance, covariance = (f(first) + f(second) for f in (_variance, _covariance))
    expected = 7 * np.mean((first - second) ** 2) + 3 * variance + 2 * covariance
    assert loss.item() == pytest.approx(float(expected), rel=1e-4)


def test_each_term_is_felt_alone() -> None:
    """With the other weights zero, collapse costs variance only and disagreement invariance only."""
    same = np.ones((4, 3))
    off = {"invariance_weight": 0.0, "variance_weight": 0.0, "covariance_weight": 0.0}
    collapsed = bare("vicreg", **(off | {"variance_weight": 1.0}))(as_views(same, same), labels(4), START)
    assert collapsed.item() == pytest.approx(2 * (1 - 0.01))  # sqrt of the eps
    apart = bare("vicreg", **(off | {"invariance_weight": 1.0}))(as_views(same, same + 2), labels(4), START)
    assert apart.item() == pytest.approx(4)
