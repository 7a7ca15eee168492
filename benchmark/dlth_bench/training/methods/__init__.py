"""Training methods: one file each, built from their spec here."""

from __future__ import annotations

import torch
from torch import nn

from dlth_bench.protocols.methods import SupervisedSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import EmbeddingBagSpec, LibrarySpec, ViTSpec
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

__all__ = ["Method", "build_method"]


def build_method(config: Config, *, pixels: Pixels, classes: int, vocabulary: int = 0) -> Method:
    """The config's method on a fresh backbone, initialised from torch's global generator.

    Convolutional networks are laid out channels-last, which is faster on CPUs and GPUs alike.

    Args:
        vocabulary: how many token IDs a dataset of texts has.
    """
    if isinstance(config.backbone, EmbeddingBagSpec):
        return TextClassifier(config.backbone, vocabulary, classes)
    if isinstance(config.backbone, LibrarySpec) and config.method.kind == "supervised":
        backbone, head = build_classifier(config.backbone, pixels.channels, classes)
        return _supervised(config.method, backbone, head, pixels).to(memory_format=torch.channels_last)
    backbone = build_backbone(config.backbone, pixels.input_size, pixels.channels)
    width: int = backbone.num_features  # type: ignore[assignment]  # timm declares no type
    method = _on_backbone(config, backbone, width, pixels, classes)
    return method if isinstance(config.backbone, ViTSpec) else method.to(memory_format=torch.channels_last)


def _on_backbone(config: Config, backbone: nn.Module, width: int, pixels: Pixels, classes: int) -> Method:
    spec = config.method
    match spec.kind:
        case "moco":
            return MoCo(spec, backbone, width, pixels)
        case "dino":
            return DINO(spec, backbone, width, pixels)
        case "mae":
            if not isinstance(config.backbone, ViTSpec):
                raise ValueError(f"config {config.name}: mae needs a vit backbone")
            return MAE(spec, backbone, config.backbone, pixels)
        case "barlow_twins":
            return BarlowTwins(spec, backbone, width, pixels)
        case "byol":
            return BYOL(spec, backbone, width, pixels)
        case "nnclr":
            return NNCLR(spec, backbone, width, pixels)
        case "simclr":
            return SimCLR(spec, backbone, width, pixels)
        case "simsiam":
            return SimSiam(spec, backbone, width, pixels)
        case "swav":
            return SwAV(spec, backbone, width, pixels)
        case "vicreg":
            return VICReg(spec, backbone, width, pixels)
        case "rotnet":
            return RotNet(spec, backbone, width, pixels)
        case "exemplar":
            return Exemplar(spec, backbone, width, pixels)
        case "s4l":
            return S4L(spec, backbone, width, classes, pixels)
        case "text":
            raise ValueError(f"config {config.name}: text needs an embedding_bag")
        case "supervised":
            return _supervised(spec, backbone, linear_head(width, classes), pixels)


def _supervised(spec: SupervisedSpec, backbone: nn.Module, head: nn.Module, pixels: Pixels) -> Supervised:
    return Supervised(
        backbone,
        head,
        augment=spec.augment,
        pixels=pixels,
        label_smoothing=spec.label_smoothing,
        mixup=spec.mixup,
        cutmix=spec.cutmix,
        weight_average=spec.weight_average,
    )
