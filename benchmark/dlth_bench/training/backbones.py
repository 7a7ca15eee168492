"""Backbones from timm, scaled for small images."""

from __future__ import annotations

from timm.layers.weight_init import trunc_normal_
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from dlth_bench.spec.recipe import Backbone, ResNetSpec, ViTSpec


def build_backbone(spec: Backbone, image_size: int, channels: int) -> nn.Module:
    """A randomly initialised timm model without classifier, drawn from torch's global generator.

    Attribute ``num_features`` is the width of its pooled features.
    """
    if isinstance(spec, ResNetSpec):
        return _resnet(spec, channels)
    return _vit(spec, image_size, channels)


def _resnet(spec: ResNetSpec, channels: int) -> nn.Module:
    # timm's ResNet class fixes a 64-channel stem for large images; its ByobNet builds the same blocks to measure.
    stages = tuple(
        ByoBlockCfg(type="basic", d=depth, c=width, s=1 if stage == 0 else 2)
        for stage, (depth, width) in enumerate(zip(spec.blocks, spec.widths, strict=True))
    )
    config = ByoModelCfg(blocks=stages, stem_chs=spec.widths[0], stem_type="3x3", stem_pool="")
    network = ByobNet(config, num_classes=0, in_chans=channels, zero_init_last=spec.zero_init_residual)
    stem = network.stem.conv
    stem.stride, stem.padding = (spec.stem_stride,) * 2, (spec.stem_padding,) * 2
    return network


def _vit(spec: ViTSpec, image_size: int, channels: int) -> nn.Module:
    return VisionTransformer(
        img_size=image_size,
        patch_size=spec.patch_size,
        in_chans=channels,
        num_classes=0,
        global_pool="token",
        embed_dim=spec.dim,
        depth=spec.depth,
        num_heads=spec.heads,
        drop_path_rate=spec.drop_path,
        dynamic_img_size=True,
    )


def linear_head(width: int, classes: int, std: float = 0.01) -> nn.Linear:
    """A classifier with truncated-normal weights and no bias at the start."""
    head = nn.Linear(width, classes)
    trunc_normal_(head.weight, std=std)
    nn.init.zeros_(head.bias)
    return head
