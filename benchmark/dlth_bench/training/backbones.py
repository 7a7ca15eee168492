"""Backbones from timm, scaled for small images, and whole networks of timm and torchvision by name."""

from __future__ import annotations

import difflib

import timm
import torchvision
from timm.layers.weight_init import trunc_normal_
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.recipe import Backbone, CNNSpec, EmbeddingBagSpec, LibrarySpec, ResNetSpec, ViTSpec
from dlth_bench.training.small_cnns import build_cnn


def build_backbone(spec: Backbone, image_size: int, channels: int) -> nn.Module:
    """A randomly initialised network without classifier, drawn from torch's global generator.

    Attribute ``num_features`` is the width of its pooled features.

    Raises:
        InputError: a library has no network of that name.
    """
    if isinstance(spec, LibrarySpec):
        return build_classifier(spec, channels, classes=1000)[0]
    if isinstance(spec, EmbeddingBagSpec):
        raise InputError("an embedding_bag is for texts, not for images")
    if isinstance(spec, ResNetSpec):
        return _resnet(spec, channels)
    if isinstance(spec, CNNSpec):
        return build_cnn(spec, channels)
    return _vit(spec, image_size, channels)


def build_classifier(spec: LibrarySpec, channels: int, classes: int) -> tuple[nn.Module, nn.Linear]:
    """A library's network without its last layer, and that layer, both as the library initialises them."""
    if spec.kind == "timm":
        _check_name(spec, timm.list_models())
        network = timm.create_model(spec.name, num_classes=classes, in_chans=channels)
    else:
        _check_name(spec, torchvision.models.list_models())
        if channels != 3:
            raise InputError(f"torchvision's {spec.name} takes images of 3 channels; this dataset's have {channels}")
        network = torchvision.models.get_model(spec.name, weights=None, num_classes=classes)
    *_, (name, layer) = network.named_modules()
    if not isinstance(layer, nn.Linear):
        raise InputError(f"{spec.kind}'s {spec.name} does not end in a linear layer")
    network.set_submodule(name, nn.Identity())
    setattr(network, "num_features", layer.in_features)  # noqa: B010  # an int, which a module's type does not expect
    return network, layer


def _check_name(spec: LibrarySpec, known: list[str]) -> None:
    if spec.name in known:
        return
    near = difflib.get_close_matches(spec.name, known, n=1)
    guess = f"; did you mean {quoted(near[0])}?" if near else ""
    raise InputError(f"{spec.kind} has no network {quoted(spec.name)}{guess}")


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
    network = VisionTransformer(
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
    if spec.class_token_std is not None:
        trunc_normal_(network.cls_token, std=spec.class_token_std)
    return network


def linear_head(width: int, classes: int, std: float = 0.01) -> nn.Linear:
    """A classifier with truncated-normal weights and no bias at the start."""
    head = nn.Linear(width, classes)
    trunc_normal_(head.weight, std=std)
    nn.init.zeros_(head.bias)
    return head
