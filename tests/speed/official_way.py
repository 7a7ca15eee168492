"""The pretraining of three configs of imagenet-ssl the way of their official repositories, on one GPU.

MoCo (facebookresearch/moco @ 7397dfe1), DINO (facebookresearch/dino @ 7c446df5) and MAE (facebookresearch/mae @
efb2a806), written anew for measuring alone (see `against_official_way`): JPEG files go one by one through torchvision's
transforms on PIL images, in the worker processes of a DataLoader with pinned memory; steps look at their loss before
they go on, and averages move parameter by parameter, as there. Backbones, sizes, rates and the strengths of
augmentations are those of our configs, so that both ways learn the same. What several GPUs exchange is left out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from official_networks import DINO, MAE, MoCo
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms as T

from dlth_bench.protocols.methods import DINOSpec, MAESpec, MoCoSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import AugmentSpec, OptimizerSpec
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.optimizers import learning_rate, weight_decay
from dlth_bench.training.views.augment import Pixels

Transform = Callable[[Image.Image], list[Tensor]]


@dataclass
class Official:
    """A config's training: what a worker makes of an image, and an update from a batch of that.

    Args:
        total: updates that the schedules are over.
        half: what autocast computes in; with float16 gradients are scaled. None: all is in single precision.
    """

    config: Config
    pixels: Pixels
    device: torch.device
    total: int
    half: torch.dtype | None = None

    def __post_init__(self) -> None:
        self.transform = _transform(self.config, self.pixels)
        self.network: MoCo | DINO | MAE = _network(self.config, self.pixels).to(self.device).train()
        self.optimizer = _optimizer(self.config.train.optimizer, self.network)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half is torch.float16)
        self.made = 0

    def batches(self, files: Sequence[Path], steps: int, workers: int) -> Iterator[list[Tensor]]:
        """Views of so many batches, drawn from the files again and again, so that workers start once."""
        images, batch = _Files(files, self.transform), self.config.train.batch_size
        loader = DataLoader(
            images,
            batch,
            sampler=RandomSampler(images, replacement=True, num_samples=steps * batch),
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            drop_last=True,
        )
        return iter(loader)

    def update(self, views: list[Tensor]) -> float:
        """One update from one batch; its loss."""
        moment = Moment(self.made, self.total)
        _set_rates(self.config.train.optimizer, self.optimizer, moment)
        views = [view.to(self.device, non_blocking=True) for view in views]
        with self._autocast():
            loss = self.network(views, moment)
        seen: float = loss.item()
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self._look_at_gradients(moment)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if isinstance(self.network, DINO):
            self.network.move_teacher(moment)
        if self.device.type == "cuda" and not isinstance(self.network, MoCo):
            torch.cuda.synchronize()
        self.made += 1
        return seen

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self.half or torch.bfloat16, enabled=self.half is not None)

    def _look_at_gradients(self, moment: Moment) -> None:
        """DINO's clipping, a parameter at a time, and its frozen last layer; MAE's norm, which its log shows."""
        if isinstance(self.network, MoCo):
            return
        self.scaler.unscale_(self.optimizer)
        trained = [parameter for parameter in self.network.parameters() if parameter.grad is not None]
        if isinstance(self.network, MAE):
            norms = [parameter.grad.detach().norm(2) for parameter in trained if parameter.grad is not None]
            torch.stack(norms).norm(2)
            return
        if (bound := self.config.train.optimizer.clip_grad) is not None:
            for parameter in trained:
                scale = bound / (parameter.grad.norm(2) + 1e-6)  # type: ignore[union-attr]
                if scale < 1:
                    parameter.grad.mul_(scale)  # type: ignore[union-attr]
        self.network.freeze_last_layer(moment)


class _Files(Dataset[list[Tensor]]):
    def __init__(self, files: Sequence[Path], transform: Transform) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> list[Tensor]:
        with self.files[index].open("rb") as file:
            return self.transform(Image.open(file).convert("RGB"))


def _network(config: Config, pixels: Pixels) -> MoCo | DINO | MAE:
    spec = config.method
    if isinstance(spec, MoCoSpec):
        return MoCo(spec, config.backbone, pixels)
    if isinstance(spec, DINOSpec):
        return DINO(spec, config.backbone, pixels)
    if isinstance(spec, MAESpec):
        return MAE(spec, config.backbone, pixels)
    raise ValueError(f"{config.name}: there is no official way of {spec.kind} here")


def _optimizer(spec: OptimizerSpec, network: nn.Module) -> torch.optim.Optimizer:
    """MoCo's SGD decays all parameters; the AdamW of the others does not decay biases and norms, its second group."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if spec.kind == "sgd":
        return torch.optim.SGD(trained, spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1]},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, weight_decay=spec.weight_decay)


def _set_rates(spec: OptimizerSpec, optimizer: torch.optim.Optimizer, moment: Moment) -> None:
    rate, decay = learning_rate(spec, moment), weight_decay(spec, moment)
    for number, group in enumerate(optimizer.param_groups):
        group["lr"] = rate
        if number == 0:
            group["weight_decay"] = decay


def _transform(config: Config, pixels: Pixels) -> Transform:
    """All views of an image, in the order in which a network takes them."""
    spec = config.method
    if isinstance(spec, MoCoSpec):
        view = _view(spec.augment, pixels, flip_last=True)
        return lambda image: [view(image), view(image)]
    if isinstance(spec, DINOSpec):
        large = [_view(augment, pixels) for augment in spec.global_views]
        small = [_view(spec.local_view or AugmentSpec(), pixels)] * spec.local_crops
        return lambda image: [view(image) for view in (*large, *small)]
    assert isinstance(spec, MAESpec)
    crop = _view(spec.augment, pixels)
    return lambda image: [crop(image)]


def _view(augment: AugmentSpec, pixels: Pixels, *, flip_last: bool = False) -> Callable[[Image.Image], Tensor]:
    """torchvision's transforms in the repositories' order: MoCo flips after colours and blur, the others before."""
    kernel = {"bilinear": T.InterpolationMode.BILINEAR, "bicubic": T.InterpolationMode.BICUBIC}[augment.interpolation]
    crop = T.RandomResizedCrop(augment.size or pixels.size, augment.crop_scale, interpolation=kernel)
    flip = T.RandomHorizontalFlip(augment.flip)
    colours: list[Callable[[Any], Any]] = []
    if augment.jitter:
        jitter = T.ColorJitter(augment.brightness, augment.contrast, augment.saturation, augment.hue)
        colours.append(T.RandomApply([jitter], augment.jitter))
    if augment.grayscale:
        colours.append(T.RandomGrayscale(augment.grayscale))
    if augment.blur:
        colours.append(_Sometimes(augment.blur, _Blur(*augment.blur_sigma)))
    if augment.solarize:
        colours.append(_Sometimes(augment.solarize, ImageOps.solarize))
    middle = [*colours, flip] if flip_last else [flip, *colours]
    return T.Compose([crop, *middle, T.ToTensor(), T.Normalize(pixels.mean, pixels.std)])


@dataclass
class _Sometimes:
    chance: float
    change: Callable[[Image.Image], Image.Image]

    def __call__(self, image: Image.Image) -> Image.Image:
        return self.change(image) if random.random() < self.chance else image


@dataclass
class _Blur:
    low: float
    high: float

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(random.uniform(self.low, self.high)))
