"""Views of several steps made in one go: the same as one step at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from lightning.fabric import Fabric
from tiny_training import CONFIGS, EVERYTHING, GREY, RESNET, SGD, random_images, train_spec
from torch import Tensor

from dlth_bench.protocols.methods import SupervisedSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.training.cpu_speed.grouped_views import MAX_STEPS, GroupedViews, grouped_steps
from dlth_bench.training.loop import OnePass, Trainer
from dlth_bench.training.methods import build_method
from dlth_bench.training.random import global_stream
from dlth_bench.training.stage import Stage

BATCH, STEPS, SAMPLES, CLASSES = 16, 11, 70, 3
ERASED = Config(
    name="erased",
    title="Erasing, whose noise is drawn, too",
    backbone=RESNET,
    method=SupervisedSpec(kind="supervised", augment=EVERYTHING.model_copy(update={"erase": 0.5, "erase_noise": True})),
    train=train_spec(SGD),
)
GROUPED = [*CONFIGS.values(), ERASED]


def _stage(config: Config, batch: int = BATCH) -> Stage:
    with global_stream(0, "init"):
        method = build_method(config, pixels=GREY, classes=CLASSES)
    labels = torch.arange(SAMPLES) % CLASSES
    spec = train_spec(config.train.optimizer, STEPS, batch)
    return Stage("pretrain", method, random_images(SAMPLES), labels, spec, seed=3)


def _trained(stage: Stage) -> tuple[list[Tensor], dict[str, Tensor]]:
    trainer = Trainer(stage, Fabric(accelerator="cpu", devices=1))
    losses = [trainer.step(step) for step in range(stage.start, stage.steps)]
    return losses, stage.method.state_dict()


@pytest.mark.parametrize("config", GROUPED, ids=lambda config: config.name)
def test_losses_and_weights_are_those_of_plain_steps_bit_for_bit(config: Config) -> None:
    """Over groups that end in the middle of an epoch and of the stage; a stored reference stays what a run gives.

    The plain steps have torch's own optimizers, too.
    """
    stage = _stage(config)
    assert grouped_steps(stage) == MAX_STEPS < STEPS
    losses, weights = _trained(stage)
    expected_losses, expected = _trained(replace(_stage(config), cpu_speed=False))
    assert torch.equal(torch.stack(losses), torch.stack(expected_losses))
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


def test_a_stage_that_goes_on_in_the_middle_of_a_group_sees_the_same_views() -> None:
    """As after a kill: the first step after a checkpoint may be any."""
    stage = _stage(CONFIGS["moco"])
    begun = Trainer(stage, Fabric(accelerator="cpu", devices=1))
    resumed = Trainer(replace(_stage(CONFIGS["moco"]), start=5), Fabric(accelerator="cpu", devices=1))
    assert isinstance(begun.gradients, OnePass) and isinstance(resumed.gradients, OnePass)
    assert isinstance(begun.gradients.views, GroupedViews)
    views = [begun.gradients.views.at(step) for step in range(STEPS)]
    for step in range(5, STEPS):
        (queries, keys), labels = resumed.gradients.views.at(step)
        assert torch.equal(queries, views[step][0][0]) and torch.equal(keys, views[step][0][1])
        assert torch.equal(labels, views[step][1])


def test_batches_that_leave_a_rest_in_a_register_are_made_one_by_one() -> None:
    """Rests may round in another way, and a group would have them elsewhere."""
    assert grouped_steps(_stage(CONFIGS["moco"], batch=15)) == 1
