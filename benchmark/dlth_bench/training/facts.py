"""What follows from a config's numbers: steps, learning rates at chosen epochs, crops, parameter counts.

For readers who compare a recipe with its original, and for tests that do.
"""

from __future__ import annotations

import torch
from torch import nn

from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.protocols.methods import METHODS, FinetuneSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import AugmentSpec, TrainSpec
from dlth_bench.training.environment import quiet_libraries
from dlth_bench.training.evaluation import finetune_method
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.optimizers import learning_rate
from dlth_bench.training.views.augment import Pixels
from dlth_bench.util.model import Frozen


class StageFacts(Frozen):
    """One stage of training on the full data."""

    batch_size: int
    epoch_steps: int
    """Updates an epoch; an incomplete last batch is dropped."""
    steps: int
    rates: dict[str, float]
    """Learning rate at the first update of an epoch, by the epoch's number from 0."""


class RecipeFacts(Frozen):
    """A config on the full data."""

    config: str
    views: tuple[str, ...]
    train: StageFacts
    evaluation: StageFacts | None
    encoder_parameters: int
    """Of what evaluation uses; with its classifier where there is no other evaluation."""
    trained_parameters: int
    """Of all that the first stage trains, heads and decoders included."""
    values_a_word: int | None = None
    """Width of word embeddings that the numbers of parameters leave out, as the vocabulary is not known."""
    notes: tuple[str, ...]


def recipe_facts(
    config: Config, data: DataSpec, *, samples: int, classes: int, image_size: int, vocabulary: int = 0
) -> RecipeFacts:
    """The facts of a config on ``samples`` training samples of ``classes`` classes.

    Args:
        image_size: side of the dataset's images in pixels, for which a network is built that no ``eval_view`` sizes.
        vocabulary: how many token IDs a dataset of texts has; 0 where that is not known.
    """
    pixels = Pixels(image_size, data.pixel_mean, data.pixel_std, config.eval_view)
    method = untrained(config, pixels, classes, vocabulary)
    evaluated = method.encoder if config.evaluation is not None else method
    trained = sum(parameter.numel() for parameter in method.parameters() if parameter.requires_grad)
    return RecipeFacts(
        config=config.name,
        views=tuple(_views(config)),
        train=stage_facts(config.train, samples),
        evaluation=None if config.evaluation is None else stage_facts(config.evaluation.train, samples),
        encoder_parameters=_weights(evaluated) if config.evaluation is not None else trained,
        trained_parameters=trained,
        values_a_word=config.backbone.dim if config.backbone.kind == "embedding_bag" and not vocabulary else None,
        notes=config.notes,
    )


def untrained(config: Config, pixels: Pixels, classes: int, vocabulary: int = 0) -> Method:
    """The config's networks without memory behind their weights, or with it where a library cannot do without."""
    quiet_libraries()
    try:
        with torch.device("meta"):
            return build_method(config, pixels=pixels, classes=classes, vocabulary=vocabulary)
    except NotImplementedError:  # torchvision's RegNet computes its widths with tensors
        return build_method(config, pixels=pixels, classes=classes)


def finetuned(spec: FinetuneSpec, config: Config, pixels: Pixels, classes: int) -> Method:
    """The fine-tuning of a config's encoder, as `untrained` builds networks."""
    method = untrained(config, pixels, classes)
    with torch.device("meta"):
        return finetune_method(spec, method.encoder, classes, pixels)


def stage_facts(spec: TrainSpec, samples: int) -> StageFacts:
    """The steps of a stage on ``samples`` images and its rate at the start of every tenth of its epochs."""
    samples = spec.trained_samples(samples)
    epoch_steps, steps = samples // spec.batch_size, spec.duration.in_steps(samples, spec.batch_size)
    epochs = max(1, steps // epoch_steps)
    warm = round(spec.optimizer.warmup * epochs)
    chosen = sorted({0, 1, warm, *(epochs * tenth // 10 for tenth in range(10)), epochs - 1} & {*range(epochs)})
    rates = {
        str(epoch): learning_rate(spec.optimizer, Moment(epoch * epoch_steps, steps, epoch_steps)) for epoch in chosen
    }
    return StageFacts(batch_size=spec.batch_size, epoch_steps=epoch_steps, steps=steps, rates=rates)


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _views(config: Config) -> list[str]:
    """What training sees of an image, what evaluation trains on, and what it measures on."""
    evaluation = config.evaluation
    views = [text.format(_view(view)) for text, view in METHODS[config.method.kind].views(config.method)]
    if evaluation is not None and evaluation.augment is not None:
        views.append(f"evaluation trains on: {_view(evaluation.augment)}")
    if config.eval_view is not None:
        view = config.eval_view
        views.append(f"evaluation sees: shorter side to {view.resize} px, {view.interpolation}, centre {view.crop} px")
    return views


def _view(spec: AugmentSpec | None) -> str:
    """A view's side, area and what else is set, e.g. ``224 px, area 0.2 to 1, bilinear, flip 0.5``."""
    if spec is None:
        return "none"
    side = "whole side" if spec.size is None else f"{spec.size} px"
    parts = [side, f"area {spec.crop_scale[0]:g} to {spec.crop_scale[1]:g}", spec.interpolation]
    rest = spec.model_dump(exclude_defaults=True, exclude={"size", "crop_scale", "interpolation"})
    for name, value in rest.items():
        shown = " to ".join(f"{part:g}" for part in value) if isinstance(value, tuple) else value
        parts.append(name.replace("_", " ") if value is True else f"{name.replace('_', ' ')} {shown}")
    return ", ".join(parts)
