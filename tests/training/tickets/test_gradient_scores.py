"""SNIP and GraSP are what their definitions say, by another way of computing them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_masks import method_of
from tiny_training import GREY, RESNET, random_images, random_views
from torch import Tensor, nn
from torch.func import functional_call

from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.tickets import scores as scoring_samples
from dlth_bench.training.tickets.masks import Mask, keep_highest, prunable_weights
from dlth_bench.training.tickets.scores import (
    ScoringBatch,
    grasp_scores,
    magnitude_scores,
    scoring_batches,
    snip_scores,
)
from dlth_bench.training.views.augment import unaugmented

LABELS = torch.tensor([0, 2, 1, 1, 0, 2])
WIDE = RESNET.model_copy(update={"zero_init_residual": False})


class Scores(nn.Module):
    """A method's logits as a forward pass, for torch's functional tools."""

    def __init__(self, method: Supervised) -> None:
        super().__init__()
        self.method = method

    def forward(self, images: Tensor) -> Tensor:
        return self.method.logits(images)


def resnet() -> Supervised:
    torch.manual_seed(4)
    return method_of(build_backbone(WIDE, 32, 1), 16)


def small_net() -> Supervised:
    torch.manual_seed(5)
    encoder = nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(18, 3), nn.Tanh())
    return method_of(encoder, 3).double()


def batches(images: Tensor, *sizes: int) -> list[ScoringBatch]:
    parts = zip(images.split(sizes), LABELS.split(sizes), strict=True)
    return [ScoringBatch(part, labels, len(labels) / len(LABELS)) for part, labels in parts]


def test_magnitude_is_the_absolute_value() -> None:
    """Of the weights as they are, signs left out."""
    method = resnet()
    assert all(torch.equal(s, method.get_parameter(n).detach().abs()) for n, s in magnitude_scores(method).items())


@pytest.mark.parametrize("density", [1.0, 0.3])
def test_snip_is_the_gradient_of_the_mask(density: float) -> None:
    """|dL/dm| with m as a variable of its own, also where a mask prunes already: there m is 1 or 0."""
    method, images = resnet(), random_views(6)
    dense = Mask.dense(method)
    mask = keep_highest(magnitude_scores(method), dense, round(density * dense.weights))
    mask.apply(method)
    weights = {f"method.{name}": weight.detach() for name, weight in prunable_weights(method).items()}
    variables = {name: mask.live[name.removeprefix("method.")].float().requires_grad_() for name in weights}
    masked = {name: weight * variables[name] for name, weight in weights.items()}
    logits = functional_call(Scores(method).train(), masked, (images,))
    gradients = torch.autograd.grad(F.cross_entropy(logits, LABELS), list(variables.values()))
    found = snip_scores(method, batches(images, 6))
    for (name, score), gradient in zip(found.items(), gradients, strict=True):
        torch.testing.assert_close(score, gradient.abs(), rtol=1e-4, atol=1e-7)
        assert not score[~mask.live[name]].any()


def test_grasp_is_the_weight_times_hessian_times_gradient() -> None:
    """With the whole Hessian of a small network, over the weights of all layers; the sign keeps what helps g'g."""
    method, images = small_net(), random_views(6).double()
    flow = {name: weight for name, weight in method.named_parameters() if weight.ndim > 1}
    sizes = [weight.numel() for weight in flow.values()]

    def loss(flat: Tensor) -> Tensor:
        parts = zip(flow, flat.split(sizes), strict=True)
        weights = {f"method.{name}": part.view(flow[name].shape) for name, part in parts}
        return F.cross_entropy(functional_call(Scores(method), weights, (images,)) / 200.0, LABELS)

    flat = torch.cat([weight.detach().flatten() for weight in flow.values()])
    gradient = torch.autograd.functional.jacobian(loss, flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    expected = dict(zip(flow, (flat * (hessian @ gradient)).split(sizes), strict=True))
    found = grasp_scores(method, batches(images, 6), 200.0)
    assert set(found) == {"encoder.1.weight", "encoder.4.weight"}
    for name, score in found.items():
        torch.testing.assert_close(score.flatten(), expected[name], rtol=1e-9, atol=1e-18)


def test_removing_a_low_grasp_score_keeps_the_gradient_flow() -> None:
    """The direction of the order: without the highest scores g'g falls, without the lowest it rises (for small w)."""
    method, images = small_net(), random_views(6).double()
    scores = grasp_scores(method, batches(images, 6), 1.0)["encoder.4.weight"]

    def flow_without(place: int) -> float:
        changed = small_net()
        with torch.no_grad():
            changed.encoder[4].weight.view(-1)[place] *= 1 - 1e-4
        flow = [weight for weight in changed.parameters() if weight.ndim > 1]
        gradients = torch.autograd.grad(F.cross_entropy(changed.logits(images), LABELS), flow)
        return sum(float((gradient**2).sum()) for gradient in gradients)

    assert flow_without(int(scores.argmax())) < flow_without(int(scores.argmin()))


@pytest.mark.parametrize("sizes", [(6,), (4, 2), (1, 3, 2)])
@pytest.mark.parametrize("score", ["snip", "grasp"])
def test_scores_are_those_of_the_mean_loss_over_all_batches(score: str, sizes: tuple[int, ...]) -> None:
    """How samples are split into batches, also uneven ones, does not change scores of a network without batch norm."""
    method, images = small_net(), random_views(6).double()

    def scores(*parts: int) -> dict[str, Tensor]:
        given = batches(images, *parts)
        return snip_scores(method, given) if score == "snip" else grasp_scores(method, given, 200.0)

    whole = scores(6)
    for name, found in scores(*sizes).items():
        torch.testing.assert_close(found, whole[name], rtol=1e-9, atol=1e-16)


def test_samples_are_equally_many_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of each class, or all where a class has fewer, each once, unaugmented, in mixed batches of one size."""
    monkeypatch.setattr(scoring_samples, "SCORING_BATCH", 5)
    images = random_images(40)
    labels = torch.tensor([0] * 20 + [1] * 17 + [2] * 3)
    generator = torch.Generator().manual_seed(0)
    found = scoring_batches(images, labels, GREY, per_class=4, generator=generator)
    assert torch.bincount(torch.cat([batch.labels for batch in found])).tolist() == [4, 4, 3]
    assert sorted(len(batch.labels) for batch in found) == [3, 4, 4]
    assert sum(batch.share for batch in found) == pytest.approx(1)
    assert all(len(batch.labels.unique()) > 1 for batch in found)
    known = {
        tuple(image.flatten().tolist()): label for image, label in zip(unaugmented(images, GREY), labels, strict=True)
    }
    seen = [(tuple(i.flatten().tolist()), label) for b in found for i, label in zip(b.images, b.labels, strict=True)]
    assert len({image for image, _ in seen}) == 11
    assert all(known[image] == label for image, label in seen)
