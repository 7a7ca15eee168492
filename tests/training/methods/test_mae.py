"""MAE hides, encodes and reconstructs patches as the paper and the original code do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from lightning.fabric import Fabric
from tiny_training import ADAMW, GREY, VIT, mae_spec, random_images, random_views, train_spec
from torch import Tensor

from dlth_bench.protocols.recipe import EvalViewSpec, ViTSpec
from dlth_bench.training.loop import train
from dlth_bench.training.methods import mae
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_stage import Checkpoints
from dlth_bench.training.views.augment import Pixels

BATCH, PATCHES, SIDE = 3, 16, 8
MOMENT = Moment(0, 10)
LABELS = torch.zeros(BATCH, dtype=torch.long)
Indices = tuple[Tensor, Tensor]


def _mae(channels: int = 1, **changes: object) -> mae.MAE:
    torch.manual_seed(1)
    pixels = Pixels(32, GREY.mean * channels, GREY.std * channels)
    return mae.MAE(mae_spec(**changes), build_backbone(VIT, 32, channels), VIT, pixels).train()


def _masks(count: int, ratio: float = 0.75) -> Indices:
    """Kept and hidden tokens of ``count`` samples as the method draws them."""
    return mae.random_token_mask((count, PATCHES + 1), ratio)


def _patch(image: Tensor, patch: int) -> npt.NDArray[np.float64]:
    """The pixels of a patch, patches counted row by row: row, column, channel."""
    top, left = SIDE * (patch // 4), SIDE * (patch % 4)
    pixels = [
        [[image[c, top + y, left + x].item() for c in range(image.shape[0])] for x in range(SIDE)] for y in range(SIDE)
    ]
    return np.array(pixels).reshape(-1)


def _expected_loss(method: mae.MAE, images: Tensor, kept: Tensor, hidden: Tensor, normalize: bool) -> float:
    """The mean squared error over hidden patches alone, token by token."""
    encoded = method.embed(method.masked.encode(images, idx_keep=kept))
    errors = []
    for b in range(len(images)):
        tokens = [method.decoder.mask_token[0, 0]] * (PATCHES + 1)
        for position, token in zip(kept[b].tolist(), encoded[b], strict=True):
            tokens[position] = token
        predicted = method.predict(method.decoder(torch.stack(tokens)[None]))[0]
        for position in hidden[b].tolist():
            target = _patch(images[b], position - 1)
            if normalize:
                target = (target - target.mean()) / np.sqrt(target.var(ddof=1) + 1e-6)
            errors.append((predicted[position].detach().numpy() - target) ** 2)
    return float(np.mean(errors))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("normalize", [True, False])
def test_loss_is_on_hidden_patches_with_normalised_targets(
    monkeypatch: pytest.MonkeyPatch, channels: int, normalize: bool
) -> None:
    """Given what is kept and hidden, the loss equals loops over hidden patches, each target normalised by itself."""
    method = _mae(channels, normalize_targets=normalize)
    with torch.no_grad():
        method.decoder.mask_token.normal_()
    images = torch.randn(BATCH, channels, 32, 32)
    masks = _masks(BATCH)
    monkeypatch.setattr(mae, "random_token_mask", lambda *args, **kwargs: masks)
    loss = method((images,), LABELS, MOMENT)
    assert loss.item() == pytest.approx(_expected_loss(method, images, *masks, normalize), rel=1e-4)


def test_encoder_sees_only_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden pixels change nothing that the encoder gives, and no prediction."""
    method = _mae()
    kept, _ = _masks(BATCH)
    images = random_views(BATCH)
    other = torch.randn_like(images)
    for b in range(BATCH):
        for patch in (kept[b][kept[b] > 0] - 1).tolist():
            rows, cols = (slice(SIDE * place, SIDE * (place + 1)) for place in divmod(patch, 4))
            other[b, :, rows, cols] = images[b, :, rows, cols]
    encoded = method.masked.encode(images, idx_keep=kept)
    assert encoded.shape == (BATCH, 5, VIT.dim)
    assert torch.equal(encoded, method.masked.encode(other, idx_keep=kept))


def test_encoding_equals_the_plain_transformer() -> None:
    """With nothing hidden, the masked encoder is timm's own forward pass, which evaluation uses."""
    method = _mae()
    images = random_views(BATCH)
    everything = torch.arange(PATCHES + 1).expand(BATCH, -1)
    encoded = method.masked.encode(images, idx_keep=everything)
    torch.testing.assert_close(encoded, method.encoder.forward_features(images))


@pytest.mark.parametrize(("ratio", "kept_patches"), [(0.75, 4), (0.5, 8), (0.9, 1)])
def test_share_of_kept_patches_and_the_class_token(
    monkeypatch: pytest.MonkeyPatch, ratio: float, kept_patches: int
) -> None:
    """Each sample keeps its share of patches and always the class token, and its draw is its own and uniform."""
    drawn: list[Indices] = []
    draw = mae.random_token_mask

    def recorded(*args: object, **kwargs: object) -> Indices:
        drawn.append(draw(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(mae, "random_token_mask", recorded)
    samples = 300
    with torch.no_grad():
        _mae(mask_ratio=ratio)((random_views(samples),), torch.zeros(samples, dtype=torch.long), MOMENT)
    ((kept, hidden),) = drawn
    assert kept.shape == (samples, kept_patches + 1)
    assert hidden.min() >= 1
    assert (kept == 0).sum(1).eq(1).all()
    assert torch.equal(torch.cat([kept, hidden], 1).sort(1).values, torch.arange(PATCHES + 1).expand(samples, -1))
    assert len(kept.sort(1).values.unique(dim=0)) > kept_patches
    share = torch.bincount(hidden.flatten(), minlength=PATCHES + 1)[1:] / samples
    assert (share - (1 - kept_patches / PATCHES)).abs().max() < 0.12


def _sincos(dim: int, side: int) -> npt.NDArray[np.float64]:
    """Fixed positions (1 + side**2, dim): half the width codes the column, half the row, each sine then cosine."""
    rates = 1 / 10000 ** (np.arange(dim // 4) / (dim // 4))
    codes = [np.zeros(dim)]
    for row in range(side):
        for column in range(side):
            halves = [np.concatenate([np.sin(place * rates), np.cos(place * rates)]) for place in (column, row)]
            codes.append(np.concatenate(halves))
    return np.stack(codes)


def test_positions_are_fixed_sines_and_cosines() -> None:
    """Encoder and decoder use the original's 2-D sin-cos positions, and training does not touch them."""
    method = _mae()
    positions = [method.encoder.pos_embed, method.decoder.pos_embed]
    for position in positions:
        assert not position.requires_grad
        np.testing.assert_allclose(position[0].numpy(), _sincos(16, 4), atol=1e-6)
    before = [position.clone() for position in positions]
    stage = Stage("pretrain", method, random_images(8), torch.zeros(8, dtype=torch.long), train_spec(ADAMW, 3), 0)
    train(stage, Fabric(accelerator="cpu", devices=1), Checkpoints())
    assert all(torch.equal(old, new) for old, new in zip(before, positions, strict=True))


def test_positions_and_masks_at_224_pixels() -> None:
    """At ViT-B's width and 14 x 14 patches: the original's positions, and 49 of 196 patches kept."""
    vit = ViTSpec(kind="vit", patch_size=16, dim=768, depth=1, heads=12)
    view = EvalViewSpec(resize=256, crop=224)
    pixels = Pixels(256, (0.5,) * 3, (0.2,) * 3, view)
    method = mae.MAE(mae_spec(decoder_dim=512, decoder_heads=16), build_backbone(vit, 224, 3), vit, pixels)
    np.testing.assert_allclose(method.encoder.pos_embed[0].numpy(), _sincos(768, 14), atol=5e-6)
    np.testing.assert_allclose(method.decoder.pos_embed[0].numpy(), _sincos(512, 14), atol=5e-6)
    kept, hidden = mae.random_token_mask((2, method.masked.sequence_length), 0.75)
    assert (kept.shape[1], hidden.shape[1]) == (1 + 49, 147)  # the class token is always kept


def test_all_that_should_learn_gets_a_gradient() -> None:
    """Encoder, class token, mask token, decoder and prediction are all reached by the loss."""
    method = _mae()
    method((random_views(BATCH),), LABELS, MOMENT).backward()
    without = {name for name, p in method.named_parameters() if p.requires_grad and p.grad is None}
    assert without == {"masked.mask_token"}  # lightly's, unused: hidden tokens never enter the encoder
    reached = (method.encoder.cls_token, method.decoder.mask_token, method.predict.weight)
    assert all(parameter.grad.abs().sum() > 0 for parameter in reached)
