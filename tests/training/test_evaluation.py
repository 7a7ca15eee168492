"""Accuracies, features, the linear probe and fine-tuning are what the spec says they are."""

from __future__ import annotations

import pytest
import torch
from lightning.fabric import Fabric
from timm.models.vision_transformer import VisionTransformer
from tiny_training import EVERYTHING, GREY, LARS, RESNET, SGD, VIT, random_images, train_spec
from torch import Tensor, nn

from dlth_bench.protocols.methods import FinetuneSpec, LinearSpec
from dlth_bench.protocols.recipe import OptimizerSpec
from dlth_bench.training.evaluation import (
    LinearProbe,
    class_accuracy,
    extract_features,
    finetune_method,
    in_batches,
    top1,
)
from dlth_bench.training.loop import train
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.random import global_stream
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_stage import Checkpoints
from dlth_bench.training.views.augment import to_float


def _vit(drop_path: float = 0.0) -> VisionTransformer:
    torch.manual_seed(0)
    encoder = build_backbone(VIT.model_copy(update={"drop_path": drop_path}), 32, 1)
    assert isinstance(encoder, VisionTransformer)
    with torch.no_grad():  # a final norm that matters
        encoder.norm.weight.uniform_(0.5, 2.0)
        encoder.norm.bias.normal_()
    return encoder


def _normalised(images: Tensor) -> Tensor:
    return GREY.normalized(to_float(images))


# --- accuracy -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_class_accuracy_equals_counting(seed: int) -> None:
    """Accuracy and count of each class equal those of a loop; a class without samples counts 0, not NaN."""
    generator = torch.Generator().manual_seed(seed)
    logits, labels = torch.randn(40, 5, generator=generator), torch.randint(0, 4, (40,), generator=generator)
    hits, counts = [0] * 5, [0] * 5
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        counts[label] += 1
        hits[label] += row.index(max(row)) == label
    accuracies, ours = class_accuracy(logits, labels, 5)
    assert ours == counts
    assert accuracies == [hit / count if count else 0.0 for hit, count in zip(hits, counts, strict=True)]
    assert top1(logits, labels) == pytest.approx(sum(hits) / 40)


def test_batches_of_an_evaluation_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluating in batches, the last one short, gives every sample's output in order."""
    images = random_images(10)
    monkeypatch.setattr("dlth_bench.training.evaluation.BATCH", 4)
    assert torch.equal(in_batches(lambda batch: batch.flatten(1), images, GREY), _normalised(images).flatten(1))


# --- features -----------------------------------------------------------------------------------------------


def _tokens_after_blocks(encoder: VisionTransformer, images: Tensor) -> list[Tensor]:
    """The tokens after each block, before the final norm."""
    outputs: list[Tensor] = []
    handles = [block.register_forward_hook(lambda *call: outputs.append(call[-1])) for block in encoder.blocks]
    with torch.no_grad():
        encoder.eval()(_normalised(images))
    for handle in handles:
        handle.remove()
    return outputs


def test_class_token_features() -> None:
    """``cls`` is the last block's class token after the final norm."""
    encoder, images = _vit(), random_images(5)
    expected = encoder.norm(_tokens_after_blocks(encoder, images)[-1])[:, 0]
    torch.testing.assert_close(extract_features(encoder, images, GREY, "cls"), expected)


def test_last_four_features_are_class_tokens_each_after_the_norm() -> None:
    """``cls_last4`` concatenates the class tokens of the last four blocks, first to last, each normed (DINO)."""
    encoder, images = _vit(), random_images(5)
    expected = [encoder.norm(tokens)[:, 0] for tokens in _tokens_after_blocks(encoder, images)[-4:]]
    features = extract_features(encoder, images, GREY, "cls_last4")
    assert features.shape == (5, 4 * VIT.dim)
    torch.testing.assert_close(features, torch.cat(expected, 1))


def test_class_and_mean_features() -> None:
    """``cls_and_mean`` appends the mean of the patch tokens, class token left out."""
    encoder, images = _vit(), random_images(5)
    tokens = encoder.norm(_tokens_after_blocks(encoder, images)[-1])
    features = extract_features(encoder, images, GREY, "cls_and_mean")
    torch.testing.assert_close(features, torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1))


def test_pooled_features_of_a_resnet() -> None:
    """``pooled`` is the mean over places of the last feature map."""
    encoder, images = build_backbone(RESNET, 32, 1), random_images(5)
    features = extract_features(encoder, images, GREY, "pooled")
    with torch.no_grad():
        expected = encoder.forward_features(_normalised(images)).mean((2, 3))
    assert features.shape == (5, 16)
    torch.testing.assert_close(features, expected)


def test_a_resnet_has_no_class_token() -> None:
    """Asking it of a ResNet names the features and says which there are."""
    with pytest.raises(ValueError, match=r"'cls_last4' need a vision transformer.*'pooled'"):
        extract_features(build_backbone(RESNET, 32, 1), random_images(2), GREY, "cls_last4")


def test_features_are_deterministic_and_leave_the_encoder_as_it_was() -> None:
    """Extraction ignores drop path and moves no batch-norm statistic, even for an encoder in training mode."""
    images = random_images(6)
    vit = _vit(drop_path=0.5).train()
    assert torch.equal(extract_features(vit, images, GREY, "cls"), extract_features(vit, images, GREY, "cls"))
    resnet = build_backbone(RESNET, 32, 1).train()
    before = {name: tensor.clone() for name, tensor in resnet.state_dict().items()}
    features = extract_features(resnet, images, GREY, "pooled")
    assert not features.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in resnet.state_dict().items())


# --- linear probe -------------------------------------------------------------------------------------------


def _clouds(samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features of four classes around fixed centres, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % 4
    centres = 2 * torch.eye(4, 12)
    return centres[labels] + 0.5 * torch.randn(samples, 12, generator=generator), labels


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(
    ("optimizer", "steps"), [(SGD, 40), (LARS.model_copy(update={"lr": 4.0}), 300)], ids=["sgd", "lars"]
)
def test_probe_learns_what_is_separable(batch_norm: bool, optimizer: OptimizerSpec, steps: int) -> None:
    """A probe on well separated features is right on nearly all unseen samples, far above chance (.25)."""
    features, labels = _clouds(128, seed=0)
    unseen, truth = _clouds(200, seed=1)
    spec = LinearSpec(kind="linear", features="cls", batch_norm=batch_norm, train=train_spec(optimizer, steps, 32))
    with global_stream(0, "probe"):
        probe = LinearProbe(spec, 12, 4)
    before = top1(probe.eval().logits(unseen), truth)
    train(Stage("linear", probe, features, labels, spec.train, 0), Fabric(accelerator="cpu", devices=1), Checkpoints())
    assert before < 0.6
    assert top1(probe.eval().logits(unseen), truth) > 0.95


def test_batch_norm_of_the_probe_is_affine_free() -> None:
    """MAE's probe normalises features by batch statistics, eps 1e-6, and learns nothing there."""
    spec = LinearSpec(kind="linear", features="cls", batch_norm=True, train=train_spec(SGD))
    probe = LinearProbe(spec, 12, 4).train()
    features, _ = _clouds(64, seed=0)
    features = features * 1e-3 + 5  # so small a spread that eps matters
    normalised = (features - features.mean(0)) / (features.var(0, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(probe.logits(features), probe.head(normalised), atol=1e-3, rtol=1e-3)
    assert {id(parameter) for parameter in probe.parameters()} == {id(probe.head.weight), id(probe.head.bias)}


# --- fine-tuning --------------------------------------------------------------------------------------------


def _finetune_spec(drop_path: float = 0.0) -> FinetuneSpec:
    return FinetuneSpec(kind="finetune", augment=EVERYTHING, drop_path=drop_path, train=train_spec(SGD))


def test_finetuning_pools_patches_before_its_own_norm() -> None:
    """Scores come from the mean patch token of the last block, a new norm and a head; the old norm is gone."""
    encoder, images = _vit(), random_images(5)
    tokens = _tokens_after_blocks(encoder, images)[-1]
    method = finetune_method(_finetune_spec(), encoder, 3, GREY).eval()
    pooled = tokens[:, 1:].mean(1)
    normed = (pooled - pooled.mean(1, keepdim=True)) / (pooled.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    scores = normed @ method.head.head.weight.T + method.head.head.bias
    torch.testing.assert_close(method.logits(_normalised(images)), scores, atol=1e-6, rtol=1e-4)
    assert not any("encoder.norm" in name for name, _ in method.named_parameters())


def test_finetuning_trains_everything_but_positions() -> None:
    """Also a frozen encoder is trained again; positions stay fixed, and the head starts near zero."""
    encoder = _vit().requires_grad_(False)
    method = finetune_method(_finetune_spec(), encoder, 3, GREY)
    fixed = {name for name, parameter in method.named_parameters() if not parameter.requires_grad}
    assert fixed == {"encoder.encoder.pos_embed"}
    assert 0 < method.head.head.weight.abs().max() < 1e-4
    assert method.head.head.bias.abs().max() == 0


def test_finetuning_drops_deeper_paths_more() -> None:
    """Drop path grows linearly from 0 in the first block to the spec's rate in the last, on both branches."""
    method = finetune_method(_finetune_spec(drop_path=0.3), _vit(), 3, GREY)
    blocks = method.encoder.encoder.blocks
    rates = [[getattr(path, "drop_prob", 0.0) for path in (block.drop_path1, block.drop_path2)] for block in blocks]
    assert rates == [pytest.approx([rate, rate]) for rate in (0.0, 0.1, 0.2, 0.3)]


def test_finetuning_needs_a_transformer() -> None:
    """A ResNet has no patch tokens to pool."""
    with pytest.raises(ValueError, match="vision transformer"):
        finetune_method(_finetune_spec(), nn.Identity(), 3, GREY)
