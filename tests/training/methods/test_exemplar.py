"""Exemplar's batches are P images with K views each, and its loss is the triplet margin loss on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_training import GREY, IDENTITY, RESNET, SGD, random_images, train_spec
from torch import nn
from torchvision.transforms.v2 import functional as TF

from dlth_bench.protocols.methods import ExemplarSpec, LinearSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.exemplar import Exemplar
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.views.augment import unaugmented

LABELS = torch.zeros(4, dtype=torch.long)


def exemplar(**options: float) -> Exemplar:
    config = Config(
        name="exemplar",
        title="Exemplar",
        backbone=RESNET,
        method=ExemplarSpec(kind="exemplar", augment=IDENTITY, dim=6, **options),
        train=train_spec(SGD),
        evaluation=LinearSpec(kind="linear", features="pooled", train=train_spec(SGD)),
    )
    built = build_method(config, pixels=GREY, classes=3)
    assert isinstance(built, Exemplar)
    return built


@pytest.mark.parametrize("views", [2, 3])
def test_loss_is_the_margin_between_own_and_other_views(views: int) -> None:
    """Each view's next view is to be nearer by the margin, in cosine distance, than the image before's, in loops."""
    method = exemplar(views=views, margin=0.5)
    method.encoder = method.head = nn.Identity()  # a view is its own embedding
    numbers = np.random.default_rng(views)
    rows = [numbers.normal(size=(4, 6)) for _ in range(views)]
    terms = []
    for index, anchors in enumerate(rows):
        following = rows[(index + 1) % views]
        for image in range(4):
            near, far = (
                1 - anchors[image] @ other / np.linalg.norm(anchors[image]) / np.linalg.norm(other)
                for other in (following[image], following[image - 1])
            )
            terms.append(max(0.0, near - far + 0.5))
    loss = method(tuple(torch.from_numpy(row).float() for row in rows), LABELS, Moment(0, 1))
    assert 0 < loss.item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_each_image_has_as_many_views_turned_by_small_angles() -> None:
    """K views of each of P images, turned by angles that differ and stay in range; without rotation they are plain."""
    images, generator = random_images(4), torch.Generator().manual_seed(0)
    plain = unaugmented(images, GREY)
    still = exemplar(views=3, rotation=0.0).views(images, generator)
    assert len(still) == 3
    for view in still:
        torch.testing.assert_close(view, plain, atol=1e-4, rtol=0)
    turned = exemplar(views=3, rotation=10.0).views(images, generator)
    inner = slice(10, 22)
    angles = set()
    for view in turned:
        for image, one in zip(plain, view, strict=True):
            tried = {
                angle: (TF.rotate(image, angle, TF.InterpolationMode.BILINEAR) - one)[:, inner, inner].abs().mean()
                for angle in np.arange(-12, 12.1, 0.5).tolist()
            }
            angles.add(min(tried, key=lambda angle: tried[angle]))
    assert len(angles) > 6
    assert -10.5 <= min(angles) < 0 < max(angles) <= 10.5


def test_all_that_is_trained_moves() -> None:
    """Encoder and embedding get gradients."""
    method = exemplar().train()
    views = method.views(random_images(4), torch.Generator().manual_seed(0))
    method(views, LABELS, Moment(0, 1)).backward()
    assert [name for name, parameter in method.named_parameters() if parameter.grad is None] == []
