"""A masked network learns exactly as one that never had the pruned weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from tiny_training import SGD, train_spec
from torch import Tensor, nn
from torch.func import functional_call

from dlth_bench.protocols.recipe import OptimizerSpec
from dlth_bench.training.loop import Trainer, train
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.training.tickets.masks import Mask, Masking
from dlth_bench.training.train_stage import Checkpoints

SAMPLES, STEPS = 24, 6
FABRIC = Fabric(accelerator="cpu", devices=1)
ADAMW = OptimizerSpec(kind="adamw", lr=0.01, weight_decay=0.1)


class Net(Method):
    """Two layers on vectors, with large gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
        self.head = nn.Linear(4, 2)

    def views(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (images,)

    def forward(self, views: tuple[Tensor, ...], labels: Tensor, moment: Moment) -> Tensor:
        return 30 * nn.functional.cross_entropy(self.head(self.encoder(views[0])), labels)


def masked_stage(optimizer: OptimizerSpec) -> tuple[Stage, Mask]:
    torch.manual_seed(1)
    method = Net()
    mask = Mask({name: torch.rand(live.shape) < 0.4 for name, live in Mask.dense(method).live.items()})
    images, labels = torch.randn(SAMPLES, 6), torch.randint(2, (SAMPLES,))
    stage = Stage("level-1", method, images, labels, train_spec(optimizer, STEPS), 0)
    stage.masking = Masking(method, mask)
    return stage, mask


def without_pruned_weights(stage: Stage, mask: Mask, optimizer: OptimizerSpec) -> dict[str, Tensor]:
    """The weights after training by torch's own optimizer, where pruned weights are not parameters at all."""
    method = stage.method
    live = {name: nn.Parameter(method.get_parameter(name).detach()[kept]) for name, kept in mask.live.items()}
    rest = {n: nn.Parameter(p.detach().clone()) for n, p in method.named_parameters() if n not in live}
    groups = [
        {"params": [p for n, p in rest.items() if p.ndim == 1], "weight_decay": 0.0},
        {"params": [*live.values(), *(p for p in rest.values() if p.ndim > 1)]},
    ]
    settings: dict[str, Any] = {"lr": optimizer.lr, "weight_decay": optimizer.weight_decay}
    sgd = optimizer.kind == "sgd"
    updates = torch.optim.SGD(groups, momentum=0.9, **settings) if sgd else torch.optim.AdamW(groups, **settings)

    def whole() -> dict[str, Tensor]:
        filled = {n: torch.zeros(kept.shape).masked_scatter(kept, live[n]) for n, kept in mask.live.items()}
        return filled | rest

    for step in range(STEPS):
        picked = Batches(stage).at(step)
        images = (stage.samples[picked],)
        loss = functional_call(method, whole(), (images, stage.labels[picked], Moment(step, STEPS)))
        updates.zero_grad()
        loss.backward()
        if optimizer.clip_grad is not None:
            for parameter in [*live.values(), *rest.values()]:
                nn.utils.clip_grad_norm_([parameter], optimizer.clip_grad)
        updates.step()
    return whole()


@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.parametrize("kind", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_as_if_pruned_weights_were_not_there(kind: OptimizerSpec, clip: float | None) -> None:
    """Momentum, weight decay, second moments and clipping see the live weights alone."""
    optimizer = kind.model_copy(update={"schedule": "constant", "clip_grad": clip, "warmup": 0.0})
    stage, mask = masked_stage(optimizer)
    expected = without_pruned_weights(stage, mask, optimizer)
    train(stage, FABRIC, Checkpoints())
    for name, parameter in stage.method.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name].detach(), rtol=1e-5, atol=1e-6)


def test_pruned_weights_are_zero_before_and_after_each_update() -> None:
    """At every moment at which a checkpoint or an evaluation may come, exactly."""
    stage, mask = masked_stage(SGD)
    trainer = Trainer(stage, FABRIC)
    for step in range(STEPS):
        for name, live in mask.live.items():
            assert not stage.method.get_parameter(name).detach()[~live].any()
            assert stage.method.get_parameter(name).detach()[live].all()
        trainer.step(step)
    assert all(not stage.method.get_parameter(name).detach()[~live].any() for name, live in mask.live.items())
