"""Small networks of well-known CNN families, put together from timm's blocks of these families."""

from __future__ import annotations

import difflib
from functools import partial

import timm
import torchvision
from timm.layers.conv_bn_act import ConvNormAct
from timm.layers.weight_init import trunc_normal_
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from timm.models.convnext import ConvNeXt
from timm.models.densenet import DenseNet
from timm.models.mobilenetv3 import MobileNetV3
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from dlth_bench.protocols.recipe import Backbone, CNNSpec, EmbeddingBagSpec, LibrarySpec, MLPSpec, ResNetSpec, ViTSpec
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted


def build_cnn(spec: CNNSpec, channels: int) -> nn.Module:
    """A randomly initialised network without classifier; attribute ``num_features`` is its output's width."""
    builders = {"densenet": _densenet, "mobilenetv3": _mobilenetv3, "convnext": _convnext, "vgg": _vgg}
    return builders.get(spec.family, _residual)(spec, channels)


def _residual(spec: CNNSpec, channels: int) -> nn.Module:
    """Bottleneck blocks: ResNet's narrow to a quarter, ResNeXt's to a half in groups, RegNetY's not at all, with SE."""
    ratio = {"resnet": 0.25, "resnext": 0.5, "regnety": 1.0}[spec.family]
    stages = tuple(
        ByoBlockCfg(
            type="bottle",
            d=depth,
            c=width,
            s=1 if stage == 0 else 2,
            gs=spec.group_width,
            br=ratio,
            block_kwargs={"downsample": "conv1x1"},
        )
        for stage, (depth, width) in enumerate(zip(spec.blocks, spec.widths, strict=True))
    )
    squeezed = spec.family == "regnety"
    config = ByoModelCfg(
        blocks=stages,
        stem_chs=spec.widths[0],
        stem_type="3x3",
        stem_pool="",
        attn_layer="se" if squeezed else None,
        attn_kwargs={"rd_ratio": 0.25} if squeezed else {},
    )
    return ByobNet(config, num_classes=0, in_chans=channels)


def _densenet(spec: CNNSpec, channels: int) -> nn.Module:
    growth = spec.growth or 0  # never 0: the spec demands it of this family
    network = DenseNet(growth_rate=growth, block_config=spec.blocks, num_classes=0, in_chans=channels)
    stem = nn.Conv2d(channels, 2 * growth, 3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight)
    network.features.set_submodule("conv0", stem)
    network.features.set_submodule("pool0", nn.Identity())
    return network


def _mobilenetv3(spec: CNNSpec, channels: int) -> nn.Module:
    """Inverted residuals of expansion 4 with SE; ReLU and 3x3 in the first stage, hard swish and 5x5 in later ones."""
    stages = [
        [f"ir_r{depth}_k3_s1_e4_c{width}_se0.25_nre" if stage == 0 else f"ir_r{depth}_k5_s2_e4_c{width}_se0.25"]
        for stage, (depth, width) in enumerate(zip(spec.blocks, spec.widths, strict=True))
    ]
    last = 4 * spec.widths[-1]
    network = MobileNetV3(
        decode_arch_def(  # type: ignore[no-untyped-call]
            [*stages, [f"cn_r1_k1_s1_c{last}"]]
        ),
        num_classes=0,
        in_chans=channels,
        stem_size=spec.widths[0],
        num_features=2 * last,
        act_layer=nn.Hardswish,
        se_layer=partial(SqueezeExcite, gate_layer="hard_sigmoid", force_act_layer=nn.ReLU, rd_round_fn=round_channels),
    )
    setattr(network, "num_features", network.head_hidden_size)  # noqa: B010  # what comes out behind the head's convolution
    return network


def _convnext(spec: CNNSpec, channels: int) -> nn.Module:
    return ConvNeXt(
        in_chans=channels,
        num_classes=0,
        depths=spec.blocks,
        dims=spec.widths,
        patch_size=2,
        drop_path_rate=spec.drop_path,
    )


def _vgg(spec: CNNSpec, channels: int) -> nn.Module:
    """Max-pooling between stages, the mean over places at the end; no hidden linear layers, which large images have."""
    layers: list[nn.Module] = []
    for stage, (depth, width) in enumerate(zip(spec.blocks, spec.widths, strict=True)):
        layers += [nn.MaxPool2d(2)] if stage else []
        for _ in range(depth):
            convolution = ConvNormAct(channels, width, 3)
            nn.init.kaiming_normal_(convolution.conv.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
            layers.append(convolution)
            channels = width
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    setattr(network, "num_features", channels)  # noqa: B010  # an int, which a module's type does not expect
    return network


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
    if isinstance(spec, MLPSpec):
        return _mlp(spec, image_size, channels)
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


def _mlp(spec: MLPSpec, image_size: int, channels: int) -> nn.Module:
    side = spec.input_size or image_size
    layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(side), nn.Flatten()]
    for width, before in zip(spec.widths, (channels * side**2, *spec.widths), strict=False):
        layers += [nn.Linear(before, width), nn.ReLU(), nn.Dropout(spec.dropout)]
    network = nn.Sequential(*layers)
    setattr(network, "num_features", spec.widths[-1])  # noqa: B010  # an int, which a module's type does not expect
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
