"""Batched augmentation on the device, each sample with its own draws.

A crop with resampling is linear and separable, and so is a Gaussian blur: a view is ``rows @ image @ cols^T`` with
one small matrix an axis and a sample, the blur folded in. That keeps augmentation at a few percent of a step for
small images. Antialiased weights: a triangle (bilinear) or a cubic kernel as wide as the scale, which looks past a
crop's border as PIL's ``resize(box=...)`` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from dlth_bench.protocols.recipe import AugmentSpec, EvalViewSpec
from dlth_bench.training.random import uniform
from dlth_bench.training.samples import Images, RaggedImages
from dlth_bench.training.views.colour import Jitter, erased, jittered, luma
from dlth_bench.training.views.crop import TRIES, central_boxes, cubic, random_boxes, resampled
from dlth_bench.training.views.policies import ViewPolicy
from dlth_bench.util.errors import InputError


def evaluation_view(images: Tensor, spec: EvalViewSpec) -> Tensor:
    """The central square (batch, channels, crop, crop) of uint8 images after a resize of their shorter side."""
    resized = TF.resize(images, [spec.resize], InterpolationMode(spec.interpolation), antialias=True)
    square: Tensor = TF.center_crop(resized, [spec.crop])
    return square


def to_float(images: Tensor) -> Tensor:
    """uint8 (batch, channels, height, width) to floats in [0, 1]."""
    return images.to(torch.float32).mul_(1 / 255)


RESIZED_SHARE = 256 / 224
"""Shorter side to which images of different sizes are resized for evaluation, to the side of the central crop."""


@dataclass(frozen=True)
class Pixels:
    """The images a method sees: their side in pixels, the normalisation of each channel, and what evaluation sees.

    ``mean`` and ``std`` are constants of the protocol, not measured, since a subset must not change them.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    eval_view: EvalViewSpec | None = None

    @property
    def input_size(self) -> int:
        """Side of what evaluation sees, for which a network is built."""
        return self.size if self.eval_view is None else self.eval_view.crop

    @property
    def channels(self) -> int:
        return len(self.mean)

    def normalized(self, images: Tensor) -> Tensor:
        """Floats in [0, 1], (batch, channels, height, width), to about zero mean and unit spread, in place."""
        if self.channels == 1:
            return images.sub_(self.mean[0]).mul_(1 / self.std[0])
        mean, std = (of_channels(values, images) for values in (self.mean, self.std))
        return images.sub_(mean).div_(std)


def of_channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    """A number for each channel, (channels, 1, 1), made on the device: to copy them there is to wait for it."""
    return torch.stack([torch.full((1, 1), value, dtype=like.dtype, device=like.device) for value in values])


def unaugmented(images: Images, pixels: Pixels) -> Tensor:
    """What an evaluation sees of a batch: normalised floats (batch, channels, input_size, input_size).

    Without an ``eval_view``, of images of different sizes: the central square after resizing the shorter side to
    256 / 224 of it; of others the whole image.
    """
    if not isinstance(images, RaggedImages):
        view = images if pixels.eval_view is None else evaluation_view(images, pixels.eval_view)
        return pixels.normalized(to_float(view))
    size, spec = pixels.input_size, pixels.eval_view
    boxes = central_boxes(images, size, round(size * RESIZED_SHARE) if spec is None else spec.resize)
    kernel = "bilinear" if spec is None else spec.interpolation
    return pixels.normalized(resampled(images, boxes, size, interpolation=kernel))


class Augment:
    """A batched augmentation; ``spec`` says which and how strongly.

    Raises:
        InputError: saturation, hue or grayscale of images that are not RGB.
    """

    def __init__(self, spec: AugmentSpec, pixels: Pixels) -> None:
        self.coloured = pixels.channels == 3
        if not self.coloured and (spec.saturation or spec.hue or spec.grayscale):
            raise InputError(
                f"saturation, hue and grayscale need images of 3 channels; this dataset's have {pixels.channels}"
            )
        self.spec = spec
        self.pixels = pixels
        self.image_size = pixels.size
        self.size = spec.size or pixels.size
        self.policy = None if spec.policy is None else ViewPolicy(spec.policy, spec.interpolation, pixels.mean)

    def __call__(self, images: Images, generator: torch.Generator) -> Tensor:
        """One view of each image.

        Args:
            images: uint8 (batch, channels, image_size, image_size), or images of different sizes.
            generator: on the images' device; the only source of randomness.

        Returns:
            Normalised floats (batch, channels, size, size).
        """
        if isinstance(images, RaggedImages):
            return self._ragged_views(images, generator)
        draws = uniform(10, len(images), generator)
        if self.coloured:  # further draws, so that those of grey images stay what they were
            draws = torch.cat([draws, uniform(7, len(images), generator)])
        top, left, height, width = self._boxes(draws)
        flip = draws[4] < self.spec.flip
        left, width = torch.where(flip, left + width, left), torch.where(flip, -width, width)
        rows, cols = self._resampling(torch.cat([top, left]), torch.cat([height, width])).chunk(2)  # half the calls
        if self.spec.blur:
            rows, cols = self._blurred(rows, cols, draws[5], draws[6])
        view = torch.matmul(torch.matmul(rows.unsqueeze(1), to_float(images)), cols.transpose(1, 2).unsqueeze(1))
        if self.spec.interpolation == "bicubic":
            view = view.clamp_(0, 1)  # a cubic kernel overshoots at edges
        return self._finished(view, draws[7:], generator)

    def _ragged_views(self, images: RaggedImages, generator: torch.Generator) -> Tensor:
        """Views of images of different sizes; their crops are torchvision's, see `crop`."""
        draws = uniform(2 * TRIES + 15, len(images), generator)
        boxes = random_boxes(images, self.spec.crop_scale, self.spec.crop_ratio, draws[: 2 * TRIES + 2])
        flip, chance, sigma = draws[2 * TRIES + 2 : 2 * TRIES + 5]

        def fold(rows: Tensor, cols: Tensor, part: slice) -> tuple[Tensor, Tensor]:
            return self._blurred(rows, cols, chance[part], sigma[part]) if self.spec.blur else (rows, cols)

        kernel = self.spec.interpolation
        view = resampled(images, boxes, self.size, flip=flip < self.spec.flip, interpolation=kernel, fold=fold)
        return self._finished(view, draws[2 * TRIES + 5 :], generator)

    def _finished(self, view: Tensor, draws: Tensor, generator: torch.Generator) -> Tensor:
        """A resampled view, in [0, 1], after what follows its crop; ``draws`` as for `_recoloured`."""
        if self.policy is not None:
            view = self.policy(view, generator)
        view = self.pixels.normalized(self._recoloured(view, draws))
        return erased(view, self.spec.erase, self.spec.erase_noise, generator) if self.spec.erase else view

    def _boxes(self, draws: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Top, left, height and width of each crop, in pixels; sides longer than the image's are cut to it."""
        low, high = self.spec.crop_scale
        area = draws[0] * (high - low) + low
        log_low, log_high = math.log(self.spec.crop_ratio[0]), math.log(self.spec.crop_ratio[1])
        ratio = torch.exp(draws[1] * (log_high - log_low) + log_low).sqrt_()
        side = area.sqrt_() * self.image_size
        height, width = (side / ratio).clamp_(max=self.image_size), (side * ratio).clamp_(max=self.image_size)
        return draws[2] * (self.image_size - height), draws[3] * (self.image_size - width), height, width

    def _resampling(self, start: Tensor, extent: Tensor) -> Tensor:
        """Antialiased weights (batch, size, image_size) from pixels of an interval to ``size`` pixels.

        A negative extent runs backwards: a flip.
        """
        step = (extent / self.size)[:, None, None]
        target = torch.arange(self.size, device=start.device) + 0.5
        centre = start[:, None, None] + target[None, :, None] * step
        source = torch.arange(self.image_size, device=start.device) + 0.5
        distance = (centre - source).mul_(1 / step.abs().clamp(min=1)).abs_()
        weights = cubic(distance) if self.spec.interpolation == "bicubic" else torch.rsub(distance, 1).clamp_(min=0)
        return weights.div_(weights.sum(-1, keepdim=True))

    def _blurred(self, rows: Tensor, cols: Tensor, chance: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The resampling matrices followed by a Gaussian blur for the samples that draw one."""
        low, high = self.spec.blur_sigma
        sigma = sigma * (high - low) + low
        # The kernel depends on the distance alone, of which there are few: one exponential each.
        distance = torch.arange(self.size, device=rows.device, dtype=rows.dtype)
        weights = torch.exp(distance.square() * (-0.5 / sigma.square())[:, None])
        weights = torch.where((chance >= self.spec.blur)[:, None], (distance == 0).to(weights.dtype), weights)
        mirrored = torch.cat([weights.flip(1), weights[:, 1:]], dim=1)
        kernel = mirrored.unfold(1, self.size, 1).flip(1)  # row i is centred at i
        kernel = kernel.div_(kernel.sum(-1, keepdim=True))
        return kernel @ rows, kernel @ cols

    def _recoloured(self, view: Tensor, draws: Tensor) -> Tensor:
        """Jitter, then greyscale, then solarization; ``draws`` (3, batch), and 7 more rows for colour images."""
        spec = self.spec
        if spec.jitter:
            # One draw decides whether and, rescaled, how strongly brightness changes; they stay independent.
            jitter = draws[0] < spec.jitter
            brightness = 1 + (2 * draws[0] / spec.jitter - 1) * spec.brightness
            contrast = 1 + (2 * draws[1] - 1) * spec.contrast
            if self.coloured:
                saturation = 1 + (2 * draws[3] - 1) * spec.saturation
                hue = (2 * draws[4] - 1) * spec.hue
                order = draws[6:].argsort(dim=0)
                changed = jittered(view, Jitter(brightness, contrast, saturation, hue, order))
                view = torch.where(jitter[:, None, None, None], changed, view)
            else:
                brightness = torch.where(jitter, brightness, 1.0)[:, None, None, None]
                contrast = torch.where(jitter, contrast, 1.0)[:, None, None, None]
                view = view.mul_(brightness).clamp_(0, 1)
                mean = view.mean(dim=(1, 2, 3), keepdim=True)
                view = torch.lerp(mean, view, contrast).clamp_(0, 1)
        if spec.grayscale:
            view = torch.where((draws[5] < spec.grayscale)[:, None, None, None], luma(view), view)
        if spec.solarize:
            solarized = (draws[2] < spec.solarize)[:, None, None, None] & (view >= 128 / 255)
            view = torch.where(solarized, 1 - view, view)
        return view
