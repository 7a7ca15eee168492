"""The configs of glyphs-ssl as plain scripts: the way that lightly's documentation shows its methods.

PIL images go one by one through lightly's transforms in a DataLoader with two worker processes; each view goes through
the networks on its own; optimizers are torch's as they come. Networks, losses, batches and the strengths of all
augmentations are those of our configs, so that both ways learn the same. Written from the documentation's description
of the methods, for measuring alone (see `against_documented_way`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from lightly.loss import DINOLoss, NTXentLoss
from lightly.models.modules import DINOProjectionHead, MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import DINOTransform, MoCoV2Transform
from lightly.utils.scheduler import cosine_schedule
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from dlth_bench.protocols.methods import DINOSpec, MoCoSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import AugmentSpec, OptimizerSpec
from dlth_bench.training.evaluation import extract_features, finetune_method
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.views.augment import Pixels

WORKERS = 2

Step = Callable[[Any, Tensor], object]
"""One update, from what the DataLoader gives of a batch: views and labels."""


@dataclass(frozen=True)
class Script:
    """A training script: its loader's transform, its batch and what it does with one."""

    transform: Callable[[Image.Image], Any]
    batch: int
    step: Step

    def epoch(self, images: Sequence[Image.Image], labels: Sequence[int]) -> int:
        """Train on all images once, in new workers as a DataLoader starts them; returns how many were seen."""
        loader = DataLoader(
            _Pictures(images, labels, self.transform), self.batch, shuffle=True, drop_last=True, num_workers=WORKERS
        )
        for views, targets in loader:
            self.step(views, targets)
        return len(loader) * self.batch


class _Pictures(Dataset[Any]):
    def __init__(
        self, images: Sequence[Image.Image], labels: Sequence[int], transform: Callable[[Image.Image], Any]
    ) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.images[index]), self.labels[index]


def pretraining(config: Config, pixels: Pixels) -> Script:
    """The config's first stage."""
    if isinstance(config.method, MoCoSpec):
        return _moco(config, config.method, pixels)
    if isinstance(config.method, DINOSpec):
        return _dino(config, config.method, pixels)
    method = build_method(config, pixels=pixels, classes=2)  # MAE's networks are lightly's in both ways
    optimizer = _optimizer(config.train.optimizer, method)
    transform = _crop(config.method.augment, pixels)  # type: ignore[union-attr]  # of those left all have one

    def step(views: Tensor, labels: Tensor) -> None:
        _update(method((views,), labels, Moment(0, 100)), optimizer)

    return Script(transform, config.train.batch_size, step)


def evaluation(config: Config, pixels: Pixels, classes: int) -> Script:
    """The second stage: a linear classifier on a frozen backbone that sees new crops in every epoch, or fine-tuning."""
    spec = config.evaluation
    assert spec is not None
    encoder = build_method(config, pixels=pixels, classes=classes).encoder
    if spec.kind == "finetune":
        tuned = finetune_method(spec, encoder, classes, pixels)
        tuning = _optimizer(spec.train.optimizer, tuned)

        def tune(views: Tensor, labels: Tensor) -> None:
            _update(tuned((views,), labels, Moment(0, 100)), tuning)

        return Script(_crop(spec.augment, pixels), spec.train.batch_size, tune)
    sample = torch.zeros(2, pixels.channels, pixels.size, pixels.size, dtype=torch.uint8)
    width = extract_features(encoder, sample, pixels, spec.features).shape[1]
    head = nn.Sequential(nn.BatchNorm1d(width, affine=False), nn.Linear(width, classes))
    optimizer = _optimizer(spec.train.optimizer, head)

    def probe(views: Tensor, labels: Tensor) -> None:
        with torch.no_grad():
            features = extract_features(encoder, (views * 255).byte(), pixels, spec.features)
        _update(nn.functional.cross_entropy(head(features), labels), optimizer)

    crop = T.Compose([T.RandomResizedCrop(pixels.size), T.ToTensor()])
    return Script(crop, spec.train.batch_size, probe)


def _moco(config: Config, spec: MoCoSpec, pixels: Pixels) -> Script:
    backbone = build_backbone(config.backbone, pixels.size, pixels.channels)
    width = int(backbone.num_features)  # type: ignore[arg-type]  # timm declares no type
    head: nn.Module = MoCoProjectionHead(width, width, spec.dim) if spec.mlp else nn.Linear(width, spec.dim)
    key_backbone, key_head = deepcopy(backbone), deepcopy(head)
    deactivate_requires_grad(key_backbone)
    deactivate_requires_grad(key_head)
    criterion = NTXentLoss(temperature=spec.temperature, memory_bank_size=(spec.queue, spec.dim))
    optimizer = _optimizer(config.train.optimizer, nn.ModuleList([backbone, head]))

    def step(views: list[Tensor], labels: Tensor) -> None:
        update_momentum(backbone, key_backbone, m=spec.momentum)
        update_momentum(head, key_head, m=spec.momentum)
        query = head(backbone(views[0]).flatten(start_dim=1))
        with torch.no_grad():
            key = key_head(key_backbone(views[1]).flatten(start_dim=1))
        _update(criterion(query, key), optimizer)

    augment = spec.augment
    transform = MoCoV2Transform(
        input_size=pixels.size,
        min_scale=augment.crop_scale[0],
        gaussian_blur=augment.blur,
        sigmas=augment.blur_sigma,
        **_common(augment, pixels),
    )
    return Script(transform, config.train.batch_size, step)


def _dino(config: Config, spec: DINOSpec, pixels: Pixels) -> Script:
    student, teacher = (build_backbone(config.backbone, pixels.size, pixels.channels) for _ in range(2))
    width = int(student.num_features)  # type: ignore[arg-type]
    sizes = (width, spec.hidden_dim, spec.bottleneck_dim, spec.out_dim)
    student_head, teacher_head = (
        DINOProjectionHead(*sizes, batch_norm=spec.head_batch_norm, norm_last_layer=spec.norm_last_layer)
        for _ in range(2)
    )
    deactivate_requires_grad(teacher)
    deactivate_requires_grad(teacher_head)
    criterion = DINOLoss(output_dim=spec.out_dim, warmup_teacher_temp_epochs=5)
    optimizer = _optimizer(config.train.optimizer, nn.ModuleList([student, student_head]))

    def step(views: list[Tensor], labels: Tensor) -> None:
        momentum = cosine_schedule(0, 10, 0.996, 1.0)
        update_momentum(student, teacher, m=momentum)
        update_momentum(student_head, teacher_head, m=momentum)
        with torch.no_grad():
            targets = [teacher_head(teacher(view).flatten(start_dim=1)) for view in views[:2]]
        outputs = [student_head(student(view).flatten(start_dim=1)) for view in views]
        loss = criterion(targets, outputs, epoch=6)
        loss.backward()
        student_head.cancel_last_layer_gradients(current_epoch=6)
        optimizer.step()
        optimizer.zero_grad()

    first, second = spec.global_views
    local = spec.local_view or AugmentSpec()
    transform = DINOTransform(
        global_crop_size=pixels.size,
        global_crop_scale=first.crop_scale,
        local_crop_size=local.size or pixels.size,
        local_crop_scale=local.crop_scale,
        n_local_views=spec.local_crops,
        gaussian_blur=(first.blur, second.blur, local.blur),
        sigmas=first.blur_sigma,
        solarization_prob=second.solarize,
        **_common(first, pixels),
    )
    return Script(transform, config.train.batch_size, step)


def _common(augment: AugmentSpec, pixels: Pixels) -> dict[str, Any]:
    return {
        "cj_prob": augment.jitter,
        "cj_strength": 1.0,
        "cj_bright": augment.brightness,
        "cj_contrast": augment.contrast,
        "cj_sat": augment.saturation,
        "cj_hue": augment.hue,
        "random_gray_scale": augment.grayscale,
        "hf_prob": augment.flip,
        "normalize": {"mean": list(pixels.mean), "std": list(pixels.std)},
    }


def _crop(augment: AugmentSpec, pixels: Pixels) -> Callable[[Image.Image], Tensor]:
    crop = T.RandomResizedCrop(pixels.size, scale=augment.crop_scale)
    return T.Compose([crop, T.ToTensor(), T.Normalize(pixels.mean, pixels.std)])


def _optimizer(spec: OptimizerSpec, module: nn.Module) -> torch.optim.Optimizer:
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if spec.kind == "adamw":
        return torch.optim.AdamW(trained, lr=spec.lr, weight_decay=spec.weight_decay)
    return torch.optim.SGD(trained, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)


def _update(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
