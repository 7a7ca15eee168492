"""The smallest specs, batches and runs that still exercise every part of training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.protocols.methods import DINOSpec, FinetuneSpec, LinearSpec, MAESpec, MoCoSpec, SupervisedSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import AugmentSpec, Duration, OptimizerSpec, ResNetSpec, TrainSpec, ViTSpec
from dlth_bench.runs.run import Run
from dlth_bench.training.views.augment import Pixels

RESNET = ResNetSpec(kind="resnet", widths=(8, 16), blocks=(1, 1))
VIT = ViTSpec(kind="vit", patch_size=8, dim=16, depth=4, heads=2)
GREY = Pixels(32, (0.1,), (0.3,))
IDENTITY = AugmentSpec(crop_ratio=(1.0, 1.0))
EVERYTHING = AugmentSpec(
    crop_scale=(0.2, 1.0),
    flip=0.5,
    jitter=0.8,
    brightness=0.4,
    contrast=0.4,
    blur=0.5,
    blur_sigma=(0.1, 1.0),
    solarize=0.2,
)
CLASSES = ("U+0041", "U+0042", "U+0043")
IMAGES_PER_CLASS = 8
BATCH = 8

SGD = OptimizerSpec(kind="sgd", lr=0.05, weight_decay=1e-4)
ADAMW = OptimizerSpec(kind="adamw", lr=1e-3, weight_decay=0.05, warmup=0.2)
LARS = OptimizerSpec(kind="lars", lr=0.5)


def train_spec(optimizer: OptimizerSpec, steps: int = 12, batch_size: int = BATCH) -> TrainSpec:
    return TrainSpec(duration=Duration(steps=steps), batch_size=batch_size, optimizer=optimizer)


def moco_spec(**changes: Any) -> MoCoSpec:
    return MoCoSpec(
        **({"kind": "moco", "augment": EVERYTHING, "dim": 8, "mlp": True, "temperature": 0.2, "queue": 20} | changes)
    )


def dino_spec(**changes: Any) -> DINOSpec:
    values: dict[str, Any] = {
        "kind": "dino",
        "global_views": (EVERYTHING, EVERYTHING),
        "local_view": EVERYTHING.model_copy(update={"size": 16, "crop_scale": (0.05, 0.25)}),
        "local_crops": 3,
        "out_dim": 12,
        "hidden_dim": 16,
        "bottleneck_dim": 8,
        "norm_last_layer": True,
        "teacher_temperature": 0.07,
        "warmup_teacher_temperature": 0.04,
        "warmup_teacher": 0.5,
        "freeze_last_layer": 0.2,
    }
    return DINOSpec(**(values | changes))


def mae_spec(**changes: Any) -> MAESpec:
    values = {"kind": "mae", "augment": EVERYTHING, "decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2}
    return MAESpec(**(values | changes))


def _configs() -> dict[str, Config]:
    drop_path = VIT.model_copy(update={"drop_path": 0.3})
    layer_decay = ADAMW.model_copy(update={"layer_decay": 0.75})
    clipped = ADAMW.model_copy(update={"clip_grad": 0.3, "weight_decay": 0.04, "weight_decay_end": 0.4})
    configs = [
        Config(
            name="moco",
            title="MoCo on a ResNet, plain SGD for the probe",
            backbone=RESNET,
            method=moco_spec(),
            train=train_spec(SGD),
            evaluation=LinearSpec(kind="linear", features="pooled", train=train_spec(SGD)),
        ),
        Config(
            name="dino",
            title="DINO with drop path, LARS and batch norm for the probe",
            backbone=drop_path,
            method=dino_spec(),
            train=train_spec(clipped),
            evaluation=LinearSpec(kind="linear", features="cls_last4", batch_norm=True, train=train_spec(LARS)),
        ),
        Config(
            name="mae",
            title="MAE, fine-tuned with mixup, drop path and layer decay",
            backbone=VIT,
            method=mae_spec(),
            train=train_spec(ADAMW),
            evaluation=FinetuneSpec(
                kind="finetune",
                augment=EVERYTHING,
                label_smoothing=0.1,
                mixup=0.8,
                drop_path=0.3,
                train=train_spec(layer_decay),
            ),
        ),
        Config(
            name="supervised",
            title="Supervised ResNet",
            backbone=RESNET,
            method=SupervisedSpec(kind="supervised", augment=EVERYTHING, label_smoothing=0.1, mixup=0.2),
            train=train_spec(SGD),
        ),
    ]
    return {config.name: config for config in configs}


CONFIGS = _configs()


def tiny_run(config: Config, seed: int = 0) -> Run:
    data = DataSpec(
        dataset="glyphs",
        manifest_digest="0" * 64,
        images_per_class=IMAGES_PER_CLASS,
        pixel_mean=GREY.mean,
        pixel_std=GREY.std,
    )
    return Run(data=data, config=config, class_ids=CLASSES, seed=seed)


def random_images(samples: int, channels: int = 1, size: int = 32, seed: int = 0) -> Tensor:
    """uint8 noise (samples, channels, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (samples, channels, size, size), generator=generator, dtype=torch.uint8)


def random_views(samples: int, *, seed: int = 0, size: int = 32) -> Tensor:
    """Float noise (samples, 1, size, size), as normalised images are."""
    return torch.randn(samples, 1, size, size, generator=torch.Generator().manual_seed(seed))
