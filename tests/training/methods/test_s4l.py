"""S4L learns classes from few labels and rotations from all images, in batches that are half labelled."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_training import EVERYTHING, GREY, RESNET, SGD, random_images, tiny_run, train_spec
from torch import Tensor

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.methods import S4LSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.training.data import UNLABELLED, drawn_of_each_class, half_labelled_order, visible_labels
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.s4l import S4L
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.stage import Batches
from dlth_bench.training.train_run import train_prepared


def config(**options: float) -> Config:
    spec = S4LSpec(kind="s4l", augment=EVERYTHING, **({"labelled": 0.25} | options))
    return Config(name="s4l", title="S4L", backbone=RESNET, method=spec, train=train_spec(SGD, 3))


def entropy(scores: list[float], label: int) -> float:
    return math.log(sum(math.exp(score) for score in scores)) - scores[label]


@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
def test_loss_is_that_of_classes_and_weighted_that_of_rotations(weight: float) -> None:
    """Classes: the labelled images in all rotations; rotations: all images. Means of each, in plain arithmetic."""
    method = build_method(config(weight=weight), pixels=GREY, classes=3).train()
    assert isinstance(method, S4L)
    with torch.no_grad():
        method.head.weight.normal_()
        method.rotation_head.weight.normal_()
    labels = torch.tensor([2, 0, UNLABELLED, UNLABELLED])
    views = method.views(random_images(4), torch.Generator().manual_seed(0))
    features = method.encoder(torch.cat(views))
    classes, turns = method.head(features).tolist(), method.rotation_head(features).tolist()
    known = [entropy(classes[4 * turn + image], (2, 0)[image]) for turn in range(4) for image in range(2)]
    turned = [entropy(turns[4 * turn + image], turn) for turn in range(4) for image in range(4)]
    loss = method(views, labels, Moment(0, 1))
    assert loss.item() == pytest.approx(sum(known) / 8 + weight * sum(turned) / 16, rel=1e-5)


def test_labels_are_kept_of_a_share_of_each_class() -> None:
    """Of each class its share, at least one; a smaller share is a part of a larger one; other seeds keep others."""
    labels = torch.arange(3).repeat_interleave(20)

    def visible(share: float, seed: int = 0) -> Tensor:
        return visible_labels(S4LSpec(kind="s4l", augment=EVERYTHING, labelled=share), labels, seed)

    few, more, none = visible(0.1), visible(0.3), visible(0.001)
    assert [int((few == label).sum()) for label in range(3)] == [2, 2, 2]
    assert [int((none == label).sum()) for label in range(3)] == [1, 1, 1]
    assert ((few == UNLABELLED) | (few == more)).all()
    assert ((more == UNLABELLED) | (more == labels)).all()
    assert not torch.equal(few, visible(0.1, seed=1))


@pytest.mark.parametrize("size", [6, 7])
def test_every_batch_is_half_labelled(size: int) -> None:
    """The first half has labels, the rest has none; each kind is gone through evenly, from the given samples alone."""
    labels = torch.full((40,), UNLABELLED)
    labels[::8] = 1
    positions = torch.arange(30)
    order = half_labelled_order(labels, positions, 4, size, generator=torch.Generator().manual_seed(0))
    batches = order.view(4, size)
    assert (labels[batches[:, : size // 2]] == 1).all()
    assert (labels[batches[:, size // 2 :]] == UNLABELLED).all()
    assert order.max() < 30
    known = torch.bincount(order, minlength=30)[labels[:30] == 1]
    assert known.sum() == 12
    assert set(known.tolist()) == {3}
    with pytest.raises(ValueError, match="samples with label and samples without"):
        half_labelled_order(labels, positions[labels[:30] == 1], 1, 4, generator=torch.Generator())


def test_drawing_leaves_the_unlabelled_out() -> None:
    """Samples without a label are of no class."""
    labels = torch.tensor([UNLABELLED, 1, UNLABELLED, 0, 1])
    drawn = drawn_of_each_class(labels, 0.9, torch.Generator().manual_seed(0))
    assert drawn.tolist() == [1, 3, 4]


def test_run_hides_labels_and_is_judged_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a config of its own it trains on a quarter of the labels, and its classifier is what is evaluated."""
    context = prepare_run(tiny_run(config()), Glyphs(), device="cpu")
    stage = context.first_stage()
    assert [int((stage.labels == label).sum()) for label in range(-1, 3)] == [18, 2, 2, 2]
    picked = stage.labels[Batches(stage).at(0)]
    assert (picked[:4] >= 0).all()
    assert (picked[4:] == UNLABELLED).all()
    result = train_prepared(context)
    assert result.status == "finished"
    assert result.train_accuracy is not None
    assert result.train_accuracy * 24 == pytest.approx(round(result.train_accuracy * 24))
