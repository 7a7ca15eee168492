"""Cross-entropy, label smoothing and mixup are what they are sample by sample."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_training import EVERYTHING, GREY, random_views
from torch import Tensor, nn

from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.supervised import Supervised

LABELS = torch.tensor([0, 2, 1, 1, 0])
MOMENT = Moment(0, 10)


class _FixedWeight:
    """A mixup distribution that always draws the same weight."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def sample(self) -> Tensor:
        return torch.tensor(self.weight)


def _method(**options: float) -> Supervised:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 6), nn.Tanh())
    return Supervised(encoder, nn.Linear(6, 3), augment=EVERYTHING, pixels=GREY, **options)


def _cross_entropy(scores: list[float], label: int, smoothing: float) -> float:
    """Against the true class with weight 1 - smoothing, and all classes equally with the rest."""
    total = math.log(sum(math.exp(score) for score in scores))
    parts = [total - score for score in scores]
    return (1 - smoothing) * parts[label] + smoothing * sum(parts) / len(parts)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_smoothed_cross_entropy(smoothing: float) -> None:
    """The loss is the mean over samples of the cross-entropy with smoothed labels."""
    method, images = _method(label_smoothing=smoothing), random_views(5)
    scores = method.logits(images).tolist()
    terms = [_cross_entropy(row, label, smoothing) for row, label in zip(scores, LABELS.tolist(), strict=True)]
    loss = method((images,), LABELS, MOMENT)
    assert loss.item() == pytest.approx(sum(terms) / 5, rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixup_mixes_images_and_labels_alike(weight: float, smoothing: float) -> None:
    """Sample i is mixed with sample -1-i; its loss is weighted between both labels as its pixels are."""
    method, images = _method(label_smoothing=smoothing, mixup=0.8), random_views(5)
    method.mixing.mixup = _FixedWeight(weight)
    terms = []
    for i in range(5):
        partner = 4 - i
        scores = method.logits((weight * images[i] + (1 - weight) * images[partner])[None])[0].tolist()
        own, other = (_cross_entropy(scores, int(LABELS[place]), smoothing) for place in (i, partner))
        terms.append(weight * own + (1 - weight) * other)
    assert method((images,), LABELS, MOMENT).item() == pytest.approx(sum(terms) / 5, rel=1e-5)


def test_mixup_weights_follow_the_beta_distribution() -> None:
    """The spec's number is the Beta distribution's parameter: mean 1/2, variance 1 / (4 (2a + 1)), new each time."""
    method = _method(mixup=0.8)
    weights = torch.stack([method.mixing.mixup.sample() for _ in range(4000)])
    assert abs(weights.mean() - 0.5) < 0.02
    assert abs(weights.var() - 1 / (4 * 2.6)) < 0.005
    assert _method().mixing.mixup is None
