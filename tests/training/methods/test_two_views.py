"""What holds for every method on two views: views, state, and that a resumed run equals an uninterrupted one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from tiny_training import IDENTITY, SGD, random_images, train_spec
from torch import nn
from two_view_examples import COLOUR, KINDS, START, VIEW, labels, method

from dlth_bench.training import loop
from dlth_bench.training.loop import train
from dlth_bench.training.methods.method import Method
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_stage import Checkpoints
from dlth_bench.training.views.augment import to_float

STEPS = 8


class Killed(Exception):
    """What stops a training in the middle."""


def _stage(kind: str) -> Stage:
    whole: Method = method(kind)
    images = random_images(16, channels=3, size=16)
    return Stage("pretrain", whole, images, torch.arange(16) % 2, train_spec(SGD, STEPS, 8), 0)


def _trained(kind: str, path: Path | None, stop_at: int | None = None) -> Stage:
    def report(step: int, total: int) -> None:
        if step == stop_at:
            raise Killed

    stage = _stage(kind)
    train(stage, Fabric(accelerator="cpu", devices=1), Checkpoints(path, every_seconds=0, report=report))
    return stage


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_equals_uninterrupted(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped twice and continued from its checkpoints, training ends in the same state to the last bit."""
    monkeypatch.setattr(loop, "CURVE_POINTS", STEPS)
    whole = _trained(kind, None).method.state_dict()
    path = tmp_path / "checkpoint.safetensors"
    for stop in (4, 7):
        with pytest.raises(Killed):
            _trained(kind, path, stop)
        torch.rand(stop)  # another process would be in another random state, too
    resumed = _trained(kind, path).method.state_dict()
    assert resumed.keys() == whole.keys()
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_trained_moves(kind: str) -> None:
    """Every trainable parameter gets a gradient, so none was forgotten in the loss."""
    whole = method(kind)
    whole((torch.randn(6, 3, 16, 16), torch.randn(6, 3, 16, 16)), labels(6), START).backward()
    still = [name for name, p in whole.named_parameters() if p.requires_grad and p.grad is None]
    assert still == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "moco"])
def test_each_view_has_its_own_augmentation(kind: str) -> None:
    """The first view is augmented as the first entry says and the second as the second, sample by sample."""
    images = random_images(5, channels=3, size=16)
    first, second = method(kind, views=(IDENTITY, VIEW)).views(images, torch.Generator().manual_seed(0))
    assert torch.equal(first, COLOUR.normalized(to_float(images)))
    assert (second - first).flatten(1).norm(dim=1).min() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_batch_norm_sees_one_view_at_a_time(kind: str) -> None:
    """As in the originals, a view's statistics are not mixed with the other view's."""
    whole = method(kind)
    norm = next(module for module in whole.encoder.modules() if isinstance(module, nn.BatchNorm2d))
    seen: list[int] = []
    norm.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    whole((torch.randn(6, 3, 16, 16), torch.randn(6, 3, 16, 16)), labels(6), START)
    assert seen == [6, 6]
