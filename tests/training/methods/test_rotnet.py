"""RotNet tells quarter turns apart: every image in all four, each with the label of its turn."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_training import EVERYTHING, GREY, IDENTITY, RESNET, SGD, random_images, train_spec

from dlth_bench.protocols.methods import LinearSpec, RotNetSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.rotnet import RotNet, quarter_turns
from dlth_bench.training.views.augment import unaugmented

IMAGES = random_images(5)


def rotnet(augmented: bool = False) -> RotNet:
    config = Config(
        name="rotnet",
        title="RotNet",
        backbone=RESNET,
        method=RotNetSpec(kind="rotnet", augment=EVERYTHING if augmented else IDENTITY),
        train=train_spec(SGD),
        evaluation=LinearSpec(kind="linear", features="pooled", train=train_spec(SGD)),
    )
    built = build_method(config, pixels=GREY, classes=3)
    assert isinstance(built, RotNet)
    return built


def test_labels_are_the_quarter_turns_that_undo_to_the_image() -> None:
    """Each view, turned back as often as its label says, is the image: computed column by column."""
    views = torch.cat(rotnet().views(IMAGES, torch.Generator().manual_seed(0)))
    plain = unaugmented(IMAGES, GREY)
    labels = quarter_turns(len(views), views.device).tolist()
    assert labels == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    side = 32
    for row, (view, turns) in enumerate(zip(views, labels, strict=True)):
        for _ in range(turns):  # a clockwise turn: what was in column c comes into row c, from the bottom up
            view = torch.stack([view[:, side - 1 - torch.arange(side), column] for column in range(side)], dim=1)
        torch.testing.assert_close(view, plain[row % 5], atol=2e-6, rtol=0)


def test_the_four_rotations_are_of_one_view() -> None:
    """Augmentation draws once an image: rotations are all that the network can tell them apart by."""
    views = rotnet(augmented=True).views(IMAGES, torch.Generator().manual_seed(0))
    assert len(views) == 4
    assert all(torch.equal(torch.rot90(views[0], turns, (2, 3)), view) for turns, view in enumerate(views))


def test_loss_is_four_way_cross_entropy_of_all_rotations() -> None:
    """The mean over images and turns of minus the log probability of the turn, in plain arithmetic."""
    method = rotnet().train()
    with torch.no_grad():
        method.head.weight.normal_()
    views = method.views(IMAGES, torch.Generator().manual_seed(0))
    scores = method.logits(torch.cat(views)).tolist()
    terms = [math.log(sum(math.exp(s) for s in row)) - row[number // 5] for number, row in enumerate(scores)]
    loss = method(views, torch.zeros(5, dtype=torch.long), Moment(0, 1))
    assert loss.item() == pytest.approx(sum(terms) / 20, rel=1e-5)


def test_accuracy_counts_the_turns_told_right() -> None:
    """A network that always says two quarter turns is right once an image."""
    method = rotnet().eval()
    with torch.no_grad():
        method.head.weight.zero_()
        method.head.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 0.0]))
    assert method.correct_turns(unaugmented(IMAGES, GREY)).tolist() == [1] * 5
