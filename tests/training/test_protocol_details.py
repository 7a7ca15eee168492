"""What ``protocols show --details`` lists of every config of the five published grids is what their originals have.

Expected values are typed from the original code, or computed by its formula: facebookresearch/moco @ 7397dfe1, dino @
7c446df5, mae @ efb2a806, references/classification of pytorch/vision, vturrisi/solo-learn @ fca55e3, and PyTorch's
tutorial of text classification @ 51309670.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from dlth_bench.cli.shared.estimates import recipe_details
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.training.facts import RecipeFacts, StageFacts

GRIDS = ("imagenet-ssl", "imagenet-supervised", "imagenet-sensitivity", "cifar100-ssl", "agnews-text")

CONFIGS = [(grid, config.name) for grid in GRIDS for config in find_protocol(f"{grid}@1").configs]

every_config = pytest.mark.parametrize(("grid", "name"), CONFIGS)


@cache
def details(grid: str) -> dict[str, RecipeFacts]:
    return {facts.config: facts for facts in recipe_details(find_protocol(f"{grid}@1"))}


@pytest.fixture(autouse=True)
def no_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has of AG News: its vocabulary is not part of the protocol."""
    monkeypatch.setattr("dlth_bench.cli.shared.estimates.dataset_folder", lambda name: None)
    monkeypatch.setattr("dlth_bench.datasets.download.HubFiles.cached", lambda self: None)


# --- parameter counts ---------------------------------------------------------------------------------------


def linear(inputs: int, outputs: int, bias: bool = True) -> int:
    return inputs * outputs + outputs * bias


def norm(width: int) -> int:
    return 2 * width


def mlp(*widths: int, normed: int | None = None) -> int:
    """Linear layers, the first ``normed`` of them (None: all but the last) with a batch norm and so without a bias.

    solo-learn's have one nevertheless, outside SimSiam; the norm cancels it.
    """
    pairs = list(itertools.pairwise(widths))
    normed = len(pairs) - 1 if normed is None else normed
    return sum(linear(*pair, bias=index >= normed) for index, pair in enumerate(pairs)) + sum(
        norm(width) for width in widths[1 : normed + 1]
    )


def vit(width: int) -> int:
    """ViT/16 at 224 px without classifier: patches, class token, 197 positions, 12 blocks and a norm."""
    return linear(16 * 16 * 3, width) + width + 197 * width + 12 * (12 * width**2 + 13 * width) + 2 * width


def dino(width: int, trained_norm: bool) -> int:
    """``vision_transformer.DINOHead`` beside the student: three layers, then prototypes with their weight norm."""
    head = linear(width, 2048) + linear(2048, 2048) + linear(2048, 256)
    return vit(width) + head + 65536 * 256 + 65536 * trained_norm


RESNET50, RESNET18 = 25_557_032 - linear(2048, 1000), 11_168_832  # the latter with a 3x3 stem
MAE = 111_907_840 - 197 * 768 - 197 * 512 + 768  # the official model; positions are fixed, lightly adds a mask token
MOCO_V2 = RESNET50 + linear(2048, 2048) + linear(2048, 128)
TORCHVISION = yaml.safe_load((Path(__file__).parents[1] / "protocols" / "published_accuracies.yaml").read_text())

PARAMETERS = {  # of what is evaluated, and of what the first stage trains
    "moco-v1_r50_200ep": (RESNET50, RESNET50 + linear(2048, 128)),
    "moco-v2_r50_200ep": (RESNET50, MOCO_V2),
    "moco-v2_r50_800ep": (RESNET50, MOCO_V2),
    "dino_vit-s16_800ep": (vit(384), dino(384, trained_norm=True)),
    "dino_vit-b16_400ep": (vit(768), dino(768, trained_norm=False)),
    "mae_vit-b16_800ep_linear": (vit(768), MAE),
    "mae_vit-b16_800ep_finetune": (vit(768), MAE),
    **{f"mae_batch-{batch}": (vit(768), MAE) for batch in (4096, 2048, 1024)},
    **{f"dino_drop-path-{rate}": (vit(384), dino(384, trained_norm=True)) for rate in (0.1, 0.3, 0.5)},
    "barlow-twins": (RESNET18, RESNET18 + mlp(512, 2048, 2048, 2048)),
    "byol": (RESNET18, RESNET18 + mlp(512, 4096, 256) + mlp(256, 4096, 256)),
    "dino": (RESNET18, RESNET18 + mlp(512, 2048, 2048, 256) + 256 * 4096),
    "moco-v2-plus": (RESNET18, RESNET18 + linear(512, 2048) + linear(2048, 128)),
    "nnclr": (RESNET18, RESNET18 + mlp(512, 2048, 2048, 256, normed=3) + mlp(256, 4096, 256)),
    "simclr": (RESNET18, RESNET18 + linear(512, 2048) + linear(2048, 256)),
    "simsiam": (RESNET18, RESNET18 + mlp(512, 2048, 2048, normed=2) + 2048**2 + mlp(2048, 512, 2048)),
    "swav": (RESNET18, RESNET18 + mlp(512, 2048, 128) + 3000 * 128),
    "vicreg": (RESNET18, RESNET18 + mlp(512, 2048, 2048, 2048)),
    **{f"c{number}": (linear(64, 4), linear(64, 4)) for number in (1, 2, 3, 4)},  # and 64 for each word
    **{
        name: (row["parameters"], row["parameters"])
        for name, row in TORCHVISION["imagenet-supervised"]["configs"].items()
    },
}


@every_config
def test_parameters(grid: str, name: str) -> None:
    """As many as the original's, evaluated and trained."""
    facts = details(grid)[name]
    assert (facts.encoder_parameters, facts.trained_parameters) == PARAMETERS[name]
    assert facts.values_a_word == (64 if grid == "agnews-text" else None)


# --- learning rates -----------------------------------------------------------------------------------------

Rate = Callable[[int], float]


def steps(peak: float, *milestones: int) -> Rate:
    return lambda epoch: peak * 0.1 ** sum(epoch >= milestone for milestone in milestones)


def every(peak: float, epochs: int, factor: float) -> Rate:
    return lambda epoch: peak * factor ** (epoch // epochs)


def cosine(peak: float, epochs: int, warmup: int = 0, start: float = 0.0, end: float = 0.0) -> Rate:
    """Linear from ``start`` for ``warmup`` epochs, then half a cosine to ``end``."""

    def rate(epoch: int) -> float:
        if epoch < warmup:
            return start + (peak - start) * epoch / warmup
        return end + (peak - end) * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup))) / 2

    return rate


def mae(batch: int) -> Rate:
    return cosine(1.5e-4 * batch / 256, 800, warmup=40)


def solo(peak: float, end: float = 0.0) -> Rate:
    return cosine(peak, 1000, warmup=10, start=3e-3, end=end)


MOCO_PROBE, DINO_PROBE = steps(30.0, 60, 80), cosine(0.001 * 1024 / 256, 100)
MAE_PROBE = cosine(0.1 * 16384 / 256, 90, warmup=10)
SMALL_DINO = cosine(5e-4 * 1024 / 256, 800, warmup=10, end=1e-5)

RATES: dict[str, tuple[Rate, Rate | None]] = {  # of training and of evaluation, by epoch
    "moco-v1_r50_200ep": (steps(0.03, 120, 160), MOCO_PROBE),
    "moco-v2_r50_200ep": (cosine(0.03, 200), MOCO_PROBE),
    "moco-v2_r50_800ep": (cosine(0.03, 800), MOCO_PROBE),
    "dino_vit-s16_800ep": (SMALL_DINO, DINO_PROBE),
    "dino_vit-b16_400ep": (cosine(7.5e-4 * 1024 / 256, 400, warmup=10, end=2e-6), DINO_PROBE),
    "mae_vit-b16_800ep_linear": (mae(4096), MAE_PROBE),
    "mae_vit-b16_800ep_finetune": (mae(4096), cosine(5e-4 * 1024 / 256, 100, warmup=5, end=1e-6)),
    **{f"mae_batch-{batch}": (mae(batch), MAE_PROBE) for batch in (4096, 2048, 1024)},
    **{f"dino_drop-path-{rate}": (SMALL_DINO, DINO_PROBE) for rate in (0.1, 0.3, 0.5)},
    "resnet50": (every(0.1, 30, 0.1), None),
    "resnext50_32x4d": (every(0.4, 30, 0.1), None),
    "regnet_y_3_2gf": (cosine(0.4, 100, warmup=5, start=0.04), None),
    "densenet121": (every(0.1, 30, 0.1), None),
    "mobilenet_v3_large": (every(0.064, 2, 0.973), None),
    "convnext_small": (cosine(1e-3, 600, warmup=5, start=1e-5), None),
    "barlow-twins": (solo(0.3), steps(0.3, 60, 80)),
    "byol": (solo(1.0), steps(0.3, 60, 80)),
    "dino": (solo(0.3), steps(0.3, 60, 80)),
    "moco-v2-plus": (solo(0.3), steps(0.3, 60, 80)),
    "nnclr": (solo(0.4), steps(0.3, 60, 80)),
    "simclr": (solo(0.4), steps(0.3, 60, 80)),
    "simsiam": (solo(0.5), steps(0.3, 60, 80)),
    "swav": (solo(0.6, end=6e-4), steps(0.3, 60, 80)),
    "vicreg": (solo(0.3), steps(0.3, 60, 80)),
    "c1": (steps(5.0), None),  # StepLR waits for an epoch that is no better, which nobody can foretell
    "c2": (cosine(5.0, 10), None),
    "c3": (steps(5.0), None),
    "c4": (steps(10.0), None),
}


def held(stage: StageFacts, official: Rate) -> None:
    """The listed rates are the formula's; DINO's warm-up ends a step later here, as its notes say."""
    expected = {epoch: official(int(epoch)) for epoch in stage.rates}
    assert stage.rates == pytest.approx(expected, rel=1e-4, abs=1e-12)
    assert len(stage.rates) >= 10


@every_config
def test_effective_learning_rates(grid: str, name: str) -> None:
    """At every epoch that is listed, of training and of evaluation."""
    facts, (training, evaluation) = details(grid)[name], RATES[name]
    held(facts.train, training)
    assert (facts.evaluation is None) == (evaluation is None)
    if facts.evaluation is not None and evaluation is not None:
        held(facts.evaluation, evaluation)


STEPS = {  # updates an epoch and in all; incomplete batches are dropped
    "imagenet-ssl": {"moco-v2_r50_800ep": (1_281_167 // 256, 800), "dino_vit-s16_800ep": (1_281_167 // 1024, 800)},
    "imagenet-supervised": {
        "resnext50_32x4d": (1_281_167 // 1024, 100),
        "mobilenet_v3_large": (1_281_167 // 1024, 600),
    },
    "imagenet-sensitivity": {"mae_batch-2048": (1_281_167 // 2048, 800)},
    "cifar100-ssl": {"swav": (50_000 // 256, 1000)},
    "agnews-text": {"c1": (114_000 // 64, 10), "c3": (114_000 // 128, 10)},  # 5 % of 120,000 are held out
}


@pytest.mark.parametrize("grid", GRIDS)
def test_updates_of_the_full_data(grid: str) -> None:
    """An epoch has the full data's images, a run the paper's epochs."""
    for name, (epoch_steps, epochs) in STEPS[grid].items():
        train = details(grid)[name].train
        assert (train.epoch_steps, train.steps) == (epoch_steps, epoch_steps * epochs)


# --- crops --------------------------------------------------------------------------------------------------

MOCO_CROPS = ("2 crops: 224 px, area 0.2 to 1, bilinear",)
DINO_CROPS = (
    "global crop: 224 px, area 0.25 to 1, bicubic",
    "global crop: 224 px, area 0.25 to 1, bicubic",
    "10 local crops: 96 px, area 0.05 to 0.25, bicubic",
)
MAE_CROPS = ("1 crop: 224 px, area 0.2 to 1, bicubic",)
PLAIN_CROPS = ("1 crop: 224 px, area 0.08 to 1, bilinear, flip 0.5",)
SOLO_CROPS = ("crop: whole side, area 0.08 to 1, bicubic",) * 2

CROPS: dict[str, tuple[str, ...]] = {  # how the lines of training begin
    **dict.fromkeys(("moco-v1_r50_200ep", "moco-v2_r50_200ep", "moco-v2_r50_800ep"), MOCO_CROPS),
    **dict.fromkeys(("dino_vit-s16_800ep", "dino_vit-b16_400ep"), DINO_CROPS),
    **{f"dino_drop-path-{rate}": DINO_CROPS for rate in (0.1, 0.3, 0.5)},
    **dict.fromkeys(("mae_vit-b16_800ep_linear", "mae_vit-b16_800ep_finetune"), MAE_CROPS),
    **{f"mae_batch-{batch}": MAE_CROPS for batch in (4096, 2048, 1024)},
    **dict.fromkeys(("resnet50", "resnext50_32x4d", "regnet_y_3_2gf", "densenet121"), PLAIN_CROPS),
    "mobilenet_v3_large": (f"{PLAIN_CROPS[0]}, policy autoaugment, erase 0.2",),
    "convnext_small": ("1 crop: 176 px, area 0.08 to 1, bilinear, flip 0.5, policy trivialaugment, erase 0.1",),
    **dict.fromkeys(("barlow-twins", "byol", "nnclr", "simclr", "simsiam", "swav"), SOLO_CROPS),
    "dino": ("global crop: whole side, area 0.08 to 1, bicubic",) * 2,
    "moco-v2-plus": ("2 crops: whole side, area 0.08 to 1, bicubic",),
    "vicreg": ("crop: whole side, area 0.2 to 1, bicubic",) * 2,
    **{f"c{number}": ("texts as they are",) for number in (1, 2, 3, 4)},
}

EVALUATED_ON = {  # what evaluation trains on, and sees
    "moco": ("224 px, area 0.08 to 1, bilinear, flip 0.5", "shorter side to 256 px, bilinear, centre 224 px"),
    "dino": ("224 px, area 0.08 to 1, bilinear, flip 0.5", "shorter side to 256 px, bicubic, centre 224 px"),
    "mae": ("224 px, area 0.08 to 1, bicubic, flip 0.5", "shorter side to 256 px, bicubic, centre 224 px"),
}


@every_config
def test_crops(grid: str, name: str) -> None:
    """How many, how large, of which area and kernel, in training and in evaluation."""
    views = details(grid)[name].views
    shown = [view for view in views if not view.startswith("evaluation")]
    assert len(shown) >= len(CROPS[name])
    for view, expected in zip(shown, CROPS[name], strict=False):
        assert view.startswith(expected)
    if name.partition("_")[0].partition("-")[0] in EVALUATED_ON and grid != "cifar100-ssl":
        trained, seen = EVALUATED_ON[name.partition("_")[0].partition("-")[0]]
        evaluation = [view for view in views if view.startswith("evaluation")]
        assert evaluation[0].startswith(f"evaluation trains on: {trained}")
        assert evaluation[1] == f"evaluation sees: {seen}"


@every_config
def test_differences_are_told(grid: str, name: str) -> None:
    """Every config says what differs from its original."""
    assert details(grid)[name].notes


def test_the_reference_of_cifar_100_is_called_online() -> None:
    """solo-learn's accuracy is of a classifier trained along; whoever reads the grid is told."""
    for facts in details("cifar100-ssl").values():
        assert "online accuracy" in facts.notes[0]
