"""Fine-tuning: all weights of a pretrained vision transformer trained on with labels (He et al. 2022, A.1)."""

from __future__ import annotations

from timm.layers.drop import DropPath
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from dlth_bench.spec.method import FinetuneSpec
from dlth_bench.training.augment import Pixels
from dlth_bench.training.backbones import linear_head
from dlth_bench.training.methods.supervised import Supervised


class MeanPatchHead(nn.Module):
    """Mean of the patch tokens, a norm and a linear layer, in place of the encoder's final norm."""

    def __init__(self, encoder: VisionTransformer, classes: int) -> None:
        super().__init__()
        self.prefix = encoder.num_prefix_tokens
        self.norm = nn.LayerNorm(encoder.num_features, eps=1e-6)
        # The tiny initial spread is the original's.
        self.head = linear_head(encoder.num_features, classes, std=2e-5)

    def forward(self, tokens: Tensor) -> Tensor:
        scores: Tensor = self.head(self.norm(tokens[:, self.prefix :].mean(1)))
        return scores


class Tokens(nn.Module):
    """An encoder's tokens (batch, tokens, dim) after its last block, without its final norm."""

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.encoder = encoder
        encoder.norm = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.encoder.forward_features(images)
        return tokens


def finetune_method(spec: FinetuneSpec, encoder: nn.Module, classes: int, pixels: Pixels) -> Supervised:
    """The pretrained encoder with a fresh head, ready to train."""
    if not isinstance(encoder, VisionTransformer):
        raise ValueError("fine-tuning needs a vision transformer")
    encoder.requires_grad_(True)
    if encoder.pos_embed is not None:
        # Unless trained, positions stay the fixed sin-cos ones of MAE's pretraining.
        encoder.pos_embed.requires_grad_(spec.train_positions)
    for index, block in enumerate(encoder.blocks):
        rate = spec.drop_path * index / max(1, len(encoder.blocks) - 1)
        if rate:
            block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)
    return Supervised(
        Tokens(encoder),
        MeanPatchHead(encoder, classes),
        augment=spec.augment,
        pixels=pixels,
        label_smoothing=spec.label_smoothing,
        mixup=spec.mixup,
        cutmix=spec.cutmix,
    )
