"""A linear probe on new views trains its classifier alone, on what the frozen encoder makes of each view."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from tiny_training import CONFIGS, EVERYTHING, GREY, SGD, VIT, random_images, random_views, tiny_run, train_spec

from dlth_bench.datasets.registry import image_dataset
from dlth_bench.protocols.methods import LinearSpec
from dlth_bench.protocols.recipe import EvalViewSpec
from dlth_bench.training import evaluation as linear
from dlth_bench.training.evaluation import AugmentedProbe
from dlth_bench.training.loop import train
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_run import train_run
from dlth_bench.training.train_stage import Checkpoints

LABELS = torch.tensor([0, 1, 2, 0, 1])


def _spec(**changes: Any) -> LinearSpec:
    values: dict[str, Any] = {"kind": "linear", "features": "cls", "augment": EVERYTHING, "train": train_spec(SGD)}
    return LinearSpec(**(values | changes))


def _probe(spec: LinearSpec, width: int = 16) -> AugmentedProbe:
    torch.manual_seed(0)
    backbone = build_backbone(VIT.model_copy(update={"drop_path": 0.5}), 32, 1)
    return AugmentedProbe(spec, EVERYTHING, backbone, width, 3, GREY)


@pytest.mark.parametrize(
    ("features", "width"), [("cls", 16), ("cls_last4", 64), ("cls_and_mean", 32)], ids=["cls", "last4", "mean"]
)
def test_loss_is_of_the_views_features(features: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cross-entropy of the classifier on the encoder's features of each view, whatever the size of the parts."""
    probe = _probe(_spec(features=features), width).train()
    monkeypatch.setattr(linear, "BATCH", 2)
    images = random_views(5)
    loss = probe((images,), LABELS, Moment(0, 1))
    with torch.no_grad():
        expected = F.cross_entropy(probe.head(linear._features(probe.frozen.eval(), images, features)), LABELS)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    assert {name for name, p in probe.named_parameters() if p.grad is not None} == {"head.weight", "head.bias"}


def test_training_leaves_the_encoder_as_it_is() -> None:
    """No weight of it moves, it stays in evaluation mode, and the classifier learns on augmented views."""
    probe = _probe(_spec(batch_norm=True))
    before = {name: value.clone() for name, value in probe.frozen.state_dict().items()}
    labels = torch.arange(16) % 3
    stage = Stage("linear", probe, random_images(16), labels, train_spec(SGD, 4), 0)
    train(stage, Fabric(accelerator="cpu", devices=1), Checkpoints())
    assert not probe.frozen.training
    assert probe.norm.training
    assert all(torch.equal(before[name], value) for name, value in probe.frozen.state_dict().items())
    assert probe.norm.running_var.ne(1).any()


def test_a_run_with_views_counts_what_it_draws() -> None:
    """The images of both stages are counted, and the accuracy is measured on the evaluation's view."""
    config = CONFIGS["moco"].model_copy(
        update={
            "evaluation": _spec(features="pooled"),
            "eval_view": EvalViewSpec(resize=32, crop=24),
        }
    )
    run = tiny_run(config)
    result = train_run(run, image_dataset("glyphs"), device="cpu")
    assert result.status == "finished"
    assert result.cost is not None
    assert result.cost.images == run.images_seen == 2 * 12 * 8
