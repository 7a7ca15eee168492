"""Policies draw the operations and arguments that torchvision's and timm's policies draw."""

from __future__ import annotations

import pytest
import torch
from timm.data import auto_augment as timm_policies
from tiny_training import random_images
from torchvision.transforms import AutoAugment, TrivialAugmentWide

from dlth_bench.training.views import policies
from dlth_bench.training.views.augment import to_float
from dlth_bench.training.views.policies import Stroke, ViewPolicy

SAMPLES, SIDE = 60_000, 224
FACTORS = {"Brightness", "Color", "Contrast", "Sharpness"}


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _seen(stroke: Stroke) -> dict[str, set[float]]:
    """The arguments drawn for each operation, rounded."""
    return {
        name: {round(a, 3) for a in stroke.argument[stroke.operation == index].tolist()}
        for index, name in enumerate(stroke.names)
    }


def _arguments(name: str, magnitudes: torch.Tensor, signed: bool) -> set[float]:
    """The arguments of torchvision's strengths, as ``_apply_op`` uses them."""
    values = set(magnitudes.reshape(-1).tolist())
    values |= {-value for value in values} if signed else set()
    if name in FACTORS:
        values = {1 + value for value in values}
    if name.startswith("Translate"):
        values = {float(int(value)) for value in values}
    return {round(value, 3) + 0.0 for value in values}


def test_trivialaugment_has_torchvision_s_strengths() -> None:
    """Every operation equally often, at each of torchvision's strengths, both signs where it has a sign."""
    (stroke,) = policies.trivialaugment_draw(SAMPLES, SIDE, _generator())
    space = TrivialAugmentWide()._augmentation_space(31)
    seen = _seen(stroke)
    assert set(seen) == set(space)
    for name, (magnitudes, signed) in space.items():
        if magnitudes.ndim:
            assert seen[name] == _arguments(name, magnitudes, signed), name
    share = torch.bincount(stroke.operation, minlength=len(space)) / SAMPLES
    assert (share - 1 / 14).abs().max() < 0.006


def test_autoaugment_has_torchvision_s_pairs() -> None:
    """The operations, chances and strengths of the 25 pairs, in their order."""
    strokes = policies.autoaugment_draw(SAMPLES, SIDE, _generator())
    pairs, space = AutoAugment().policies, AutoAugment()._augmentation_space(10, (SIDE, SIDE))
    for place, stroke in enumerate(strokes):
        expected: dict[str, set[float]] = {}
        chances = dict.fromkeys(stroke.names, 0.0)
        for pair in pairs:
            name, chance, level = pair[place]
            magnitudes, signed = space[name]
            chances[name] += chance / len(pairs)
            if level is not None:
                expected.setdefault(name, set()).update(_arguments(name, magnitudes[level], signed))
        seen = _seen(stroke)
        for name, values in expected.items():
            assert seen[name] == values, name
        del chances["Identity"]
        for name, chance in chances.items():
            share = (stroke.operation == stroke.names.index(name)).float().mean()
            assert abs(share - chance) < 0.01, name


TIMM_NAMES = {
    "Posterize": "PosterizeIncreasing",
    "Solarize": "SolarizeIncreasing",
    "TranslateX": "TranslateXRel",
    "TranslateY": "TranslateYRel",
} | {name: f"{name}Increasing" for name in FACTORS}


@pytest.mark.parametrize("noise", [0.0, -3.0, 2.0])
def test_randaugment_has_timm_s_arguments(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a level of 9 and half the noise, at most 10, each operation has the argument of timm's level functions."""
    monkeypatch.setattr(policies, "normal", lambda like, _: torch.full_like(like, noise))
    level = min(10.0, 9 + noise / 2)
    config = timm_policies.rand_augment_transform("rand-m9-mstd0.5-inc1", {"translate_pct": 0.45})
    names = {operation.name for operation in config.ops}
    for stroke in policies.randaugment_draw(SAMPLES, SIDE, _generator()):
        seen = _seen(stroke)
        assert {TIMM_NAMES.get(name, name) for name in seen} == names | {"Identity"}
        for name, values in seen.items():
            to_argument = timm_policies.LEVEL_TO_ARG.get(TIMM_NAMES.get(name, name))
            if to_argument is None:
                continue
            theirs = {to_argument(level, {"translate_pct": 0.45})[0] for _ in range(60)}
            scale = SIDE if name.startswith("Translate") else 1
            assert sorted(values) == pytest.approx(sorted(value * scale for value in theirs), abs=2e-3), name
        share = torch.bincount(stroke.operation, minlength=16) / SAMPLES
        assert abs(share[0] - 0.5) < 0.01
        assert (share[1:] - 0.5 / 15).abs().max() < 0.006


@pytest.mark.parametrize("name", ["autoaugment", "randaugment", "trivialaugment"])
def test_a_sample_s_view_does_not_depend_on_its_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applied to the whole batch or image by image with the same draws, a policy gives the same pixels in [0, 1]."""
    images = to_float(random_images(40, channels=3, size=16))
    policy = ViewPolicy(name, "bilinear", (0.4, 0.5, 0.6))
    strokes = policy.draw(40, 16, _generator())
    monkeypatch.setattr(policy, "draw", lambda *_: strokes)
    together = policy(images, _generator())
    assert together.min() >= 0 and together.max() <= 1
    assert (together != images).flatten(1).any(1).float().mean() > 0.4
    for i in range(40):
        own = [Stroke(s.names, s.operation[i : i + 1], s.argument[i : i + 1]) for s in strokes]
        monkeypatch.setattr(policy, "draw", lambda *_, own=own: own)
        torch.testing.assert_close(policy(images[i : i + 1], _generator())[0], together[i])
