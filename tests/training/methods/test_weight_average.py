"""The average of weights equals torch's AveragedModel driven as torchvision's training script drives it."""

from __future__ import annotations

import torch
from tiny_training import EVERYTHING, GREY, random_views
from torch import nn
from torch.optim.swa_utils import AveragedModel

from dlth_bench.protocols.methods import WeightAverageSpec
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.supervised import Supervised

EPOCHS, EPOCH_STEPS, EVERY, DECAY, WARMUP_EPOCHS = 6, 7, 3, 0.9, 2


def _method() -> Supervised:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    spec = WeightAverageSpec(decay=DECAY, every=EVERY, start=WARMUP_EPOCHS / EPOCHS)
    return Supervised(encoder, nn.Linear(4, 3), augment=EVERYTHING, pixels=GREY, weight_average=spec)


def test_average_is_torchvision_s() -> None:
    """Updated every so many steps of an epoch, a copy while the rate warms up, buffers included."""
    method = _method()
    online = nn.Sequential(method.encoder, method.head)
    theirs = AveragedModel(online, avg_fn=lambda old, new, _: DECAY * old + (1 - DECAY) * new, use_buffers=True)
    generator = torch.Generator().manual_seed(1)
    for step in range(EPOCHS * EPOCH_STEPS):
        with torch.no_grad():
            for parameter in online.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator))
            online.train()(random_views(4, seed=step))
        method.after_step(Moment(step, EPOCHS * EPOCH_STEPS, EPOCH_STEPS))
        epoch, iteration = divmod(step, EPOCH_STEPS)
        if iteration % EVERY == 0:
            theirs.update_parameters(online)
            if epoch < WARMUP_EPOCHS:
                theirs.n_averaged.fill_(0)
    for name, expected in theirs.module.state_dict().items():
        if expected.is_floating_point():
            torch.testing.assert_close(method.average.state_dict()[name], expected, atol=1e-5, rtol=1e-5)


def test_evaluation_sees_the_average_and_training_does_not() -> None:
    """The loss is of the trained weights, the scores of an evaluated model of their average; it takes no gradient."""
    method = _method()
    images = random_views(4)
    with torch.no_grad():
        method.head.weight.add_(1.0)
    assert not torch.equal(method.train().logits(images), method.eval().logits(images))
    torch.testing.assert_close(method.logits(images), method.average(images))
    assert not any(parameter.requires_grad for parameter in method.average.parameters())
    assert {name for name in method.state_dict() if name.startswith("average.")}
