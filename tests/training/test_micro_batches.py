"""Steps that are computed in pieces, or twice, to fit into memory are the same steps, and the result says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from every_method import EVERY, train_named
from test_data_parallel import assert_same_losses
from torch import Tensor

from dlth_bench.protocols.recipe import LibrarySpec
from dlth_bench.runs.run import Result, Tuning
from dlth_bench.training import train_stage as fitting
from dlth_bench.training.methods.dino import DINO
from dlth_bench.training.methods.method import Method
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.networks import build_classifier
from dlth_bench.training.recompute import blocks
from dlth_bench.training.train_stage import OutOfMemory


def _trained(name: str, **tuning: Any) -> Result:
    result = train_named(name, tuning=Tuning(**tuning))
    assert result is not None
    return result


@pytest.mark.parametrize("name", ["dino", "mae", "mixing"])
def test_micro_batches_make_the_same_steps(name: str) -> None:
    """Masks, stochastic depth, mixing, the teacher's centre and the loss are those of the whole batch."""
    pieces = _trained(name, micro_batch=3)
    assert_same_losses(pieces, _trained(name))
    assert pieces.notes[0] == "pretrain from step 1: micro-batches of at most 3"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("supervised", "batch norm sees all of it"),
        ("moco", "the keys of a batch enter the queue together"),
        ("simclr", "its loss compares the samples of a batch"),
        ("dino-norm", "batch norm sees all of it"),
    ],
)
def test_a_batch_that_is_one_whole_is_not_divided(name: str, reason: str) -> None:
    """Where samples of a batch depend on each other a step stays whole, and the result says so and why."""
    whole = _trained(name, micro_batch=2)
    assert whole.curves.pretrain_loss == _trained(name).curves.pretrain_loss
    assert whole.notes[0].startswith(f"pretrain: a step is computed as a whole, since {reason}")


@pytest.mark.parametrize("name", ["mae", "moco-groups", "dino-norm", "supervised"])
def test_activation_checkpointing_changes_nothing(name: str) -> None:
    """What is computed again draws the same and moves no statistic twice: the very same result."""
    again, plain = _trained(name, checkpoint_activations=True), _trained(name)
    assert again.curves == plain.curves
    assert (again.accuracy, again.train_accuracy) == (plain.accuracy, plain.train_accuracy)
    assert again.notes[0] == "pretrain from step 1: activation checkpointing"


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet50", 16), ("regnet_y_3_2gf", 21), ("convnext_small", 40), ("densenet121", 7), ("mobilenet_v3_large", 17)],
)
def test_blocks_of_networks_are_found(name: str, count: int) -> None:
    """The blocks of the architectures' papers; of ConvNeXt and MobileNet the stem and what lies between, too."""
    backbone, _ = build_classifier(LibrarySpec(kind="torchvision", name=name), 3, 10)
    assert len(blocks(backbone)) == count


def _short_of_memory(monkeypatch: pytest.MonkeyPatch, kind: type[Method], samples: int, step: int = 0) -> None:
    """Let a method have memory for so many samples, from a step on."""
    original = kind.forward

    def forward(method: Method, views: Any, labels: Tensor, moment: Any) -> Tensor:
        loss = original(method, views, labels, moment)
        if len(labels) > samples and moment.step >= step and torch.is_grad_enabled() and moment.total > 1:
            raise torch.OutOfMemoryError("out of memory")
        return loss

    monkeypatch.setattr(kind, "forward", forward)


@pytest.mark.parametrize("step", [0, 2])
def test_out_of_memory_is_answered_by_micro_batches(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The stage is begun again with half of the samples at once until they fit; nothing of the failed step stays."""
    expected = _trained("dino")
    monkeypatch.setattr(fitting, "SMALL", 1)
    _short_of_memory(monkeypatch, DINO, 2, step)
    fitted = _trained("dino")
    assert_same_losses(fitted, expected)
    assert fitted.notes == ("pretrain from step 1: micro-batches of at most 1",)


def test_out_of_memory_without_a_way_out_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where batch norm holds a batch together, activation checkpointing is tried, and then the reason is given."""
    _short_of_memory(monkeypatch, Supervised, 2)
    with pytest.raises(OutOfMemory, match=r"even with activation checkpointing; .* since batch norm .*more devices"):
        _trained("supervised")


def test_bf16_is_the_recipes_and_not_the_commands() -> None:
    """A recipe may ask for it, is another run then, and learns much the same."""
    config = EVERY["mixing"]
    half = config.model_copy(update={"train": config.train.model_copy(update={"precision": "bf16"})})
    assert half.recipe_digest != config.recipe_digest
    EVERY["half"] = half
    try:
        losses = _trained("half").curves.pretrain_loss
    finally:
        del EVERY["half"]
    assert losses == pytest.approx(_trained("mixing").curves.pretrain_loss, rel=0.05)
    assert losses != _trained("mixing").curves.pretrain_loss
