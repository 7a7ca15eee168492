"""AutoAugment, RandAugment and TrivialAugment on batches: which operation strikes which sample, and how strongly.

- ``autoaugment``: torchvision's ImageNet policy (Cubuk et al. 2019, arXiv:1805.09501).
- ``randaugment``: timm's ``rand-m9-mstd0.5-inc1`` (Cubuk et al. 2020, arXiv:1909.13719), as in MAE's fine-tuning.
- ``trivialaugment``: torchvision's TrivialAugmentWide (Müller and Hutter 2021, arXiv:2103.10158).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import AutoAugment

from dlth_bench.spec.recipe import PolicyName
from dlth_bench.training.draws import normal, uniform
from dlth_bench.training.image_ops import GEOMETRY, POINT_OPERATIONS, Fill, identity, warped

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


Draw = Callable[[int, int, torch.Generator], list[Stroke]]
"""The rounds of a policy for (samples, side of the image in pixels, generator)."""


class Policy:
    """A policy as a batched transformation.

    Args:
        interpolation: of rotations, shears and shifts.
        fill: colour of what comes into view from outside, a value a channel in [0, 1].
    """

    def __init__(self, name: PolicyName, interpolation: str, fill: Fill) -> None:
        draws: dict[PolicyName, Draw] = {
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
            if not len(chosen) or POINT_OPERATIONS.get(name) is identity:
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
