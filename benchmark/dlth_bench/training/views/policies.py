"""AutoAugment, RandAugment and TrivialAugment on batches: which operation strikes which sample, and how strongly.

- ``autoaugment``: torchvision's ImageNet policy (Cubuk et al. 2019, arXiv:1805.09501).
- ``randaugment``: timm's ``rand-m9-mstd0.5-inc1`` (Cubuk et al. 2020, arXiv:1909.13719), as in MAE's fine-tuning.
- ``trivialaugment``: torchvision's TrivialAugmentWide (Müller and Hutter 2021, arXiv:2103.10158).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import AutoAugment

from dlth_bench.protocols.recipe import PolicyName
from dlth_bench.training.random import normal, uniform

Fill = tuple[float, ...]
"""Colour of what comes into view from outside of the image, a value a channel in [0, 1]; empty: black."""

PointOperation = Callable[[Tensor, Tensor], Tensor]
LUMA = (0.299, 0.587, 0.114)


def _luma(images: Tensor) -> Tensor:
    """The grey image (batch, 1, height, width); that of a grey image is itself."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(LUMA)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def _blend(base: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(base.expand_as(images), images, factor[:, None, None, None]).clamp_(0, 1)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is black, 1 the image."""
    return _blend(torch.zeros_like(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is the image's mean grey, 1 the image."""
    return _blend(_luma(images).mean(dim=(2, 3), keepdim=True), images, factor)


def colour(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is grey, 1 the image."""
    return _blend(_luma(images), images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is smoothed by a 3x3 kernel inside a border of one pixel, 1 the image."""
    channels = images.shape[1]
    kernel = images.new_ones(3, 3)
    kernel[1, 1] = 5
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = F.conv2d(images, (kernel / 13).expand(channels, 1, 3, 3), groups=channels)
    return _blend(smooth, images, factor)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest ``bits`` of 8."""
    step = torch.exp2(8 - bits.round())[:, None, None, None]
    return (images * 255).round_().div_(step).floor_().mul_(step).div_(255)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert what is at least ``threshold`` of 255."""
    return torch.where(images * 255 >= threshold[:, None, None, None] - 1e-3, 1 - images, images)


def solarize_add(images: Tensor, added: Tensor) -> Tensor:
    """Add ``added`` of 255 to what is below 128."""
    brighter = (images + added[:, None, None, None] / 255).clamp_(max=1)
    return torch.where(images * 255 < 128 - 1e-3, brighter, images)


def autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretch each channel to the whole range."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    stretched = (images - low) / (high - low).clamp(min=1e-6)
    return torch.where(high - low < 0.5 / 255, images, stretched).clamp_(0, 1)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Equalize each channel's histogram of 256 bins by PIL's integer rule."""
    levels = (images * 255).round_().long().flatten(2).flatten(0, 1)
    counts = torch.zeros(len(levels), 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    highest = levels.amax(1, keepdim=True)
    step = (levels.shape[1] - counts.gather(1, highest)) // 255
    below = counts.cumsum(1) - counts
    table = torch.where(step > 0, (below + step // 2) // step.clamp(min=1), torch.arange(256, device=images.device))
    return (table.clamp_(0, 255).gather(1, levels).to(images.dtype) / 255).view_as(images)


POINT_OPERATIONS: dict[str, PointOperation] = {
    "Identity": lambda images, _: images,
    "Brightness": brightness,
    "Color": colour,
    "Contrast": contrast,
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "SolarizeAdd": solarize_add,
    "AutoContrast": autocontrast,
    "Equalize": equalize,
    "Invert": lambda images, _: 1 - images,
}


Geometry = Callable[[Tensor, int, int], Tensor]
"""Where each output pixel comes from, (batch, 2, 3), for (argument (batch,), height, width)."""


def _moving(row: int, column: int) -> Geometry:
    """The identity with the argument at one place of the matrix: a shear, or in column 2 a shift in pixels."""
    return lambda argument, height, width: _matrices(argument, {(row, column): argument})


def rotate(degrees: Tensor, height: int, width: int) -> Tensor:
    """A rotation about the image's centre."""
    angle = degrees * (math.pi / 180)
    cos, sin, x, y = angle.cos(), angle.sin(), width / 2, height / 2
    shifts = {(0, 2): x - cos * x + sin * y, (1, 2): y - sin * x - cos * y}
    return _matrices(angle, {(0, 0): cos, (0, 1): -sin, (1, 0): sin, (1, 1): cos} | shifts)


def _matrices(like: Tensor, entries: dict[tuple[int, int], Tensor]) -> Tensor:
    matrices = torch.eye(2, 3, device=like.device).repeat(len(like), 1, 1)
    for (row, column), values in entries.items():
        matrices[:, row, column] = values
    return matrices


GEOMETRY: dict[str, Geometry] = {
    "ShearX": _moving(0, 1),
    "ShearY": _moving(1, 0),
    "TranslateX": _moving(0, 2),
    "TranslateY": _moving(1, 2),
    "Rotate": rotate,
}


def warped(images: Tensor, matrices: Tensor, interpolation: str, fill: Fill = ()) -> Tensor:
    """Each image through an affine map (batch, 2, 3) from output to input positions, in pixels from the corner."""
    return moved(images, matrices, interpolation, fill).clamp_(0, 1)


def moved(images: Tensor, matrices: Tensor, interpolation: str, fill: Fill = ()) -> Tensor:
    """The same of images with values of any range, such as normalised ones, of which 0 is the mean colour."""
    height, width = images.shape[2:]
    size = matrices.new_tensor([width, height])
    rows = torch.arange(height, device=images.device) + 0.5
    columns = torch.arange(width, device=images.device) + 0.5
    points = torch.stack([columns.expand(height, -1), rows[:, None].expand(-1, width)], -1)
    source = points.flatten(0, 1) @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]
    grid = (source * (2 / size) - 1).view(len(images), height, width, 2)
    colour = images.new_tensor(fill or (0.0,))[:, None, None]
    sampled = F.grid_sample(images - colour, grid, mode=interpolation, padding_mode="zeros", align_corners=False)
    return sampled + colour


SIGNED = {*GEOMETRY, "Brightness", "Color", "Contrast", "Sharpness"}
"""Operations whose strength has a random sign; the last four are factors around 1."""

_FACTORS = {"Brightness", "Color", "Contrast", "Sharpness"}
_BINS = 31


@dataclass(frozen=True)
class Stroke:
    """One round of a policy: an operation a sample, by position in ``names``, and its argument."""

    names: tuple[str, ...]
    operation: Tensor
    argument: Tensor


DrawStrokes = Callable[[int, int, torch.Generator], list[Stroke]]
"""The rounds of a policy for (samples, side of the image in pixels, generator)."""


class ViewPolicy:
    """A policy as a batched transformation.

    Args:
        interpolation: of rotations, shears and shifts.
        fill: colour of what comes into view from outside, a value a channel in [0, 1].
    """

    def __init__(self, name: PolicyName, interpolation: str, fill: Fill) -> None:
        draws: dict[PolicyName, DrawStrokes] = {
            "autoaugment": autoaugment_draw,
            "randaugment": randaugment_draw,
            "trivialaugment": trivialaugment_draw,
        }
        self.draw = draws[name]
        self.interpolation = interpolation
        # torchvision's policies leave black behind, timm's the mean colour.
        self.fill = fill if name == "randaugment" else ()

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images (batch, channels, side, side) in [0, 1], each after its own draws."""
        for stroke in self.draw(len(images), images.shape[-1], generator):
            images = self._stroke(images, stroke)
        return images

    def _stroke(self, images: Tensor, stroke: Stroke) -> Tensor:
        changed = images.clone()
        for index, name in enumerate(stroke.names):
            chosen = (stroke.operation == index).nonzero()[:, 0]
            if not len(chosen) or name == "Identity":
                continue
            picked, argument = images[chosen], stroke.argument[chosen]
            if name in GEOMETRY:
                matrices = GEOMETRY[name](argument, *images.shape[2:])
                changed[chosen] = warped(picked, matrices, self.interpolation, self.fill)
            else:
                changed[chosen] = POINT_OPERATIONS[name](picked, argument)
        return changed


def trivialaugment_draw(samples: int, side: int, generator: torch.Generator) -> list[Stroke]:
    """One operation a sample, of 14, at one of 31 strengths."""
    table = {
        "Identity": 0.0,
        "ShearX": 0.99,
        "ShearY": 0.99,
        "TranslateX": 32.0,
        "TranslateY": 32.0,
        "Rotate": 135.0,
        "Brightness": 0.99,
        "Color": 0.99,
        "Contrast": 0.99,
        "Sharpness": 0.99,
        "Posterize": 6.0,
        "Solarize": 255.0,
        "AutoContrast": 0.0,
        "Equalize": 0.0,
    }
    names = tuple(table)
    draws = uniform(3, samples, generator)
    operation = (draws[0] * len(names)).long().clamp_(max=len(names) - 1)
    level = (draws[1] * _BINS).long().clamp_(max=_BINS - 1)
    # torchvision's very numbers: half of 32 pixels is a hair less than 16 there, and becomes 15.
    strengths = torch.stack([torch.linspace(0, most, _BINS) for most in table.values()]).to(generator.device)
    strength = strengths[operation, level]
    return [Stroke(names, operation, _arguments(names, operation, strength, draws[2] < 0.5))]


def autoaugment_draw(samples: int, side: int, generator: torch.Generator) -> list[Stroke]:
    """One of 25 pairs of operations a sample, each with its own chance and one of 10 strengths."""
    pairs = AutoAugment().policies
    # As in torchvision, an operation without strength is given 0.
    most = {"ShearX": 0.3, "ShearY": 0.3, "Rotate": 30.0, "Posterize": 4.0, "Solarize": 255.0} | dict.fromkeys(
        _FACTORS, 0.9
    )
    names = ("Identity", *dict.fromkeys(name for pair in pairs for name, _, _ in pair))
    device = generator.device
    draws = uniform(5, samples, generator)
    chosen = (draws[0] * len(pairs)).long().clamp_(max=len(pairs) - 1)
    strokes = []
    for place in range(2):
        steps = [pair[place] for pair in pairs]
        operation = torch.tensor([names.index(name) for name, _, _ in steps], device=device)[chosen]
        chance = torch.tensor([chance for _, chance, _ in steps], device=device)[chosen]
        levels = [most.get(name, 0.0) * (level or 0) / 9 for name, _, level in steps]
        strength = torch.tensor(levels, device=device)[chosen]
        operation = torch.where(draws[1 + place] <= chance, operation, names.index("Identity"))
        strokes.append(Stroke(names, operation, _arguments(names, operation, strength, draws[3 + place] < 0.5)))
    return strokes


def randaugment_draw(samples: int, side: int, generator: torch.Generator) -> list[Stroke]:
    """Two operations a sample, of 15, each struck with chance 1/2 at a level of 10 drawn from N(9, 1/2)."""
    most = {
        "Identity": 0.0,
        "AutoContrast": 0.0,
        "Equalize": 0.0,
        "Invert": 0.0,
        "Rotate": 30.0,
        "Posterize": 4.0,
        "Solarize": 256.0,
        "SolarizeAdd": 110.0,
        "Color": 0.9,
        "Contrast": 0.9,
        "Brightness": 0.9,
        "Sharpness": 0.9,
        "ShearX": 0.3,
        "ShearY": 0.3,
        "TranslateX": 0.45 * side,
        "TranslateY": 0.45 * side,
    }
    names = tuple(most)
    scale = torch.tensor(list(most.values()), device=generator.device)
    strokes = []
    for _ in range(2):
        draws = uniform(3, samples, generator)
        noise = normal(draws[0], generator)
        operation = 1 + (draws[0] * (len(names) - 1)).long().clamp_(max=len(names) - 2)
        operation = torch.where(draws[1] < 0.5, operation, 0)
        level = (9 + 0.5 * noise).clamp_(0, 10) / 10
        argument = _randaugment_arguments(names, operation, level * scale[operation], draws[2] < 0.5)
        strokes.append(Stroke(names, operation, argument))
    return strokes


def _arguments(names: tuple[str, ...], operation: Tensor, strength: Tensor, negative: Tensor) -> Tensor:
    """torchvision's arguments of strengths: signed, around 1 for factors, downwards for bits and thresholds."""
    argument = torch.where(negative & _is(SIGNED, names, operation), -strength, strength)
    argument = torch.where(_is(_FACTORS, names, operation), 1 + argument, argument)
    argument = torch.where(_is({"Posterize"}, names, operation), 8 - strength.round(), argument)
    argument = torch.where(_is({"TranslateX", "TranslateY"}, names, operation), argument.trunc(), argument)
    return torch.where(_is({"Solarize"}, names, operation), 255 - strength, argument)


def _randaugment_arguments(names: tuple[str, ...], operation: Tensor, strength: Tensor, negative: Tensor) -> Tensor:
    """timm's "increasing" arguments: as above with whole numbers rounded down, and no factor below .1."""
    argument = torch.where(negative & _is(SIGNED, names, operation), -strength, strength)
    argument = torch.where(_is(_FACTORS, names, operation), (1 + argument).clamp(min=0.1), argument)
    argument = torch.where(_is({"Posterize"}, names, operation), 4 - strength.floor(), argument)
    argument = torch.where(_is({"SolarizeAdd"}, names, operation), strength.floor(), argument)
    return torch.where(_is({"Solarize"}, names, operation), 256 - strength.floor(), argument)


def _is(wanted: set[str], names: tuple[str, ...], operation: Tensor) -> Tensor:
    return torch.tensor([name in wanted for name in names], device=operation.device)[operation]
