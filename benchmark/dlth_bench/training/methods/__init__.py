"""Training methods: one file each, built from their spec here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dlth_bench.protocols.methods import MAESpec, S4LSpec, SupervisedSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import EmbeddingBagSpec, LibrarySpec, MLPSpec, ViTSpec
from dlth_bench.training.methods.barlow_twins import BarlowTwins
from dlth_bench.training.methods.byol import BYOL
from dlth_bench.training.methods.dino import DINO
from dlth_bench.training.methods.exemplar import Exemplar
from dlth_bench.training.methods.mae import MAE
from dlth_bench.training.methods.method import Method
from dlth_bench.training.methods.moco import MoCo
from dlth_bench.training.methods.nnclr import NNCLR
from dlth_bench.training.methods.rotnet import RotNet
from dlth_bench.training.methods.s4l import S4L
from dlth_bench.training.methods.simclr import SimCLR
from dlth_bench.training.methods.simsiam import SimSiam
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.methods.swav import SwAV
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.methods.vicreg import VICReg
from dlth_bench.training.networks import build_backbone, build_classifier, linear_head
from dlth_bench.training.views.augment import Pixels

__all__ = ["NETWORKS", "Method", "build_method"]


@dataclass(frozen=True)
class Inputs:
    """What a method is trained on: images of such pixels, or texts of as many token IDs, and how many classes."""

    pixels: Pixels
    classes: int
    vocabulary: int = 0


Build = Callable[[Config, Inputs], Method]
"""Makes a config's method on a fresh backbone."""


def _on_features(method: Callable[[Any, nn.Module, int, Pixels], Method]) -> Build:
    """Of a method that needs to know nothing of its backbone but the width of its features."""

    def build(config: Config, inputs: Inputs) -> Method:
        return method(config.method, *_backbone(config, inputs), inputs.pixels)

    return build


def _mae(config: Config, inputs: Inputs) -> Method:
    if not isinstance(config.method, MAESpec) or not isinstance(config.backbone, ViTSpec):
        raise ValueError(f"config {config.name}: mae needs a vit backbone")
    backbone, _ = _backbone(config, inputs)
    return MAE(config.method, backbone, config.backbone, inputs.pixels)


def _s4l(config: Config, inputs: Inputs) -> Method:
    if not isinstance(config.method, S4LSpec):
        raise TypeError(f"config {config.name}: not a method of s4l")
    return S4L(config.method, *_backbone(config, inputs), inputs.classes, inputs.pixels)


def _supervised(config: Config, inputs: Inputs) -> Method:
    spec = config.method
    if not isinstance(spec, SupervisedSpec):
        raise TypeError(f"config {config.name}: not a supervised method")
    if isinstance(config.backbone, LibrarySpec):
        backbone, head = build_classifier(config.backbone, inputs.pixels.channels, inputs.classes)
    else:
        backbone, width = _backbone(config, inputs)
        head = linear_head(width, inputs.classes)
    return Supervised(
        backbone,
        head,
        augment=spec.augment,
        pixels=inputs.pixels,
        label_smoothing=spec.label_smoothing,
        mixup=spec.mixup,
        cutmix=spec.cutmix,
        weight_average=spec.weight_average,
    )


def _text(config: Config, inputs: Inputs) -> Method:
    if not isinstance(config.backbone, EmbeddingBagSpec):
        raise ValueError(f"config {config.name}: text needs an embedding_bag")  # a config's fault
    return TextClassifier(config.backbone, inputs.vocabulary, inputs.classes)


def _backbone(config: Config, inputs: Inputs) -> tuple[nn.Module, int]:
    """A fresh backbone and the width of its features."""
    backbone = build_backbone(config.backbone, inputs.pixels.input_size, inputs.pixels.channels)
    width: int = backbone.num_features  # type: ignore[assignment]  # timm declares no type
    return backbone, width


NETWORKS: Mapping[str, Build] = {
    "barlow_twins": _on_features(BarlowTwins),
    "byol": _on_features(BYOL),
    "dino": _on_features(DINO),
    "exemplar": _on_features(Exemplar),
    "mae": _mae,
    "moco": _on_features(MoCo),
    "nnclr": _on_features(NNCLR),
    "rotnet": _on_features(RotNet),
    "s4l": _s4l,
    "simclr": _on_features(SimCLR),
    "simsiam": _on_features(SimSiam),
    "supervised": _supervised,
    "swav": _on_features(SwAV),
    "text": _text,
    "vicreg": _on_features(VICReg),
}
"""The methods of ``METHODS`` as networks; another one is a file here, its spec and entry there, and its line here."""


def build_method(config: Config, *, pixels: Pixels, classes: int, vocabulary: int = 0) -> Method:
    """The config's method on a fresh backbone, initialised from torch's global generator; see `Inputs`.

    Convolutional networks are laid out channels-last, which is faster on CPUs and GPUs alike.
    """
    method = NETWORKS[config.method.kind](config, Inputs(pixels, classes, vocabulary))
    convolutional = not isinstance(config.backbone, ViTSpec | EmbeddingBagSpec | MLPSpec)
    return method.to(memory_format=torch.channels_last) if convolutional else method
