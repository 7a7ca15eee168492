"""What one update takes, from a network's shapes alone: floating-point operations and memory.

Views are made of a few noise images; networks, loss and backward then run on torch's meta device, which keeps shapes
and no numbers, so that counting large networks takes seconds on any machine. What needs numbers runs on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.protocols.methods import FinetuneSpec, LinearSpec, MoCoSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import OptimizerSpec, TrainSpec
from dlth_bench.training.evaluation import LinearProbe, extract_features, linear_probe
from dlth_bench.training.facts import finetuned, untrained
from dlth_bench.training.flops import FlopCounter, forward_flops
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.views.augment import Pixels

PROBED = 4
"""Images of the counted step. A loss that compares the samples of a batch costs more an image in a larger one."""

FLOAT_BYTES = 4
"""Training is in single precision."""


@dataclass(frozen=True)
class StepCount:
    """One update of a stage: operations and kept bytes an image, and bytes whatever the batch."""

    flops: float = 0.0
    image_bytes: int = 0
    fixed_bytes: int = 0

    def __or__(self, other: StepCount) -> StepCount:
        """The larger of both in each regard."""
        pairs = (self.flops, other.flops), (self.image_bytes, other.image_bytes), (self.fixed_bytes, other.fixed_bytes)
        flops, image_bytes, fixed_bytes = (max(pair) for pair in pairs)
        return StepCount(flops, int(image_bytes), int(fixed_bytes))


class Counts:
    """Updates of a protocol's configs, each counted once for each number of classes.

    Args:
        image_size: side of the images in pixels from which views are cut; of images of different sizes any will do.
    """

    def __init__(self, data: DataSpec, image_size: int) -> None:
        self.data, self.image_size = data, image_size
        self._known: dict[tuple[str, str, int], StepCount] = {}

    def pixels(self, config: Config) -> Pixels:
        return Pixels(self.image_size, self.data.pixel_mean, self.data.pixel_std, config.eval_view)

    def step(self, config: Config, classes: int) -> StepCount:
        """Of the config's own training; its pruning, removal and measurements are not looked at."""
        pixels = self.pixels(config)

        def count() -> StepCount:
            method = untrained(_in_small_groups(config), pixels, classes)
            return counted(method, config.train.optimizer, noise(pixels))

        return self._once("train", config, classes, count)

    def finetuning(self, spec: FinetuneSpec, config: Config, classes: int) -> StepCount:
        pixels = self.pixels(config)

        def count() -> StepCount:
            return counted(finetuned(spec, config, pixels, classes), spec.train.optimizer, noise(pixels))

        return self._once("finetune", config, classes, count)

    def augmented_probe(self, spec: LinearSpec, config: Config, classes: int) -> StepCount:
        """Of a probe that computes the features of a new view of each image."""
        pixels = self.pixels(config)

        def count() -> StepCount:
            width, _ = self.features(spec, config)
            with torch.device("meta"):
                probe = linear_probe(spec, untrained(config, pixels, classes).encoder, width, classes, pixels)
            return counted(probe, spec.train.optimizer, noise(pixels))

        return self._once("probe", config, classes, count)

    def features(self, spec: LinearSpec, config: Config) -> tuple[int, float]:
        """Width of the features that a probe sees, and the operations of computing them for one image."""
        pixels = self.pixels(config)
        encoder, image = untrained(config, pixels, 2).encoder, empty(pixels)
        extract = partial(extract_features, encoder, pixels=pixels, kind=spec.features)
        return extract(image).shape[1], forward_flops(extract, image, 1)

    def _once(self, what: str, config: Config, classes: int, count: Callable[[], StepCount]) -> StepCount:
        key = what, config.recipe_digest, classes
        if key not in self._known:
            self._known[key] = count()
        return self._known[key]


def counted(method: Method, optimizer: OptimizerSpec, samples: Tensor) -> StepCount:
    """One update of a method on a few samples: `noise`, or features (samples, width)."""
    try:
        return _counted_on("meta", method, optimizer, samples)
    except NotImplementedError:  # lightly's NT-Xent picks by a mask, and how many that are depends on numbers
        return _counted_on("cpu", method.to_empty(device="cpu"), optimizer, samples)


def _counted_on(device: str, method: Method, optimizer: OptimizerSpec, samples: Tensor) -> StepCount:
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    labels = torch.zeros(len(samples), dtype=torch.int64, device=device)
    with torch.random.fork_rng(devices=[]), FlopCounter() as counter:
        views = method.views(samples, torch.Generator().manual_seed(0))
        method.to(device).train()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            method(tuple(view.to(device) for view in views), labels, Moment(0, 1)).backward()
    held = {parameter.untyped_storage()._cdata for parameter in method.parameters()}
    activations = sum(size for storage, size in kept.items() if storage not in held)
    flops = counter.flops / len(samples)
    return StepCount(flops, activations // len(samples), _fixed_bytes(method, optimizer))


def counted_probe(width: int, classes: int, train: TrainSpec, *, batch_norm: bool) -> StepCount:
    """One update of a linear classifier of features that are there."""
    spec = LinearSpec(kind="linear", features="pooled", batch_norm=batch_norm, train=train)
    return counted(LinearProbe(spec, width, classes), train.optimizer, torch.zeros(PROBED, width))


def noise(pixels: Pixels) -> Tensor:
    """A few images, uint8 (images, channels, side, side)."""
    shape, generator = (PROBED, *empty(pixels).shape[1:]), torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def empty(pixels: Pixels) -> Tensor:
    """The shape of one image, uint8 (1, channels, side, side)."""
    side = pixels.size or pixels.input_size
    return torch.empty((1, pixels.channels, side, side), dtype=torch.uint8, device="meta")


def _in_small_groups(config: Config) -> Config:
    """Batch norm in groups that the counted step's few images can be split into; it costs the same."""
    if isinstance(config.method, MoCoSpec) and config.method.batch_norm_groups is not None:
        return config.model_copy(update={"method": config.method.model_copy(update={"batch_norm_groups": 2})})
    return config


def _fixed_bytes(method: Method, optimizer: OptimizerSpec) -> int:
    weights = sum(tensor.numel() * tensor.element_size() for tensor in method.state_dict().values())
    trained = sum(parameter.numel() for parameter in method.parameters() if parameter.requires_grad)
    slots = 2 if optimizer.kind == "adamw" or (optimizer.kind == "rmsprop" and optimizer.momentum) else 1
    return int(weights + FLOAT_BYTES * trained * (1 + slots))


@dataclass(frozen=True)
class Work:
    """What a part of a run takes; see `spec.reference.Cost`.

    Attributes:
        images: samples drawn, all views of one counted once.
        steps: updates.
        flops: a multiply-add counted as two.
        at_most: whether that is the most: how much it is depends on what is found on the way.
    """

    images: int = 0
    steps: int = 0
    flops: float = 0.0
    at_most: bool = False

    def __add__(self, other: Work) -> Work:
        return Work(
            self.images + other.images,
            self.steps + other.steps,
            self.flops + other.flops,
            self.at_most or other.at_most,
        )


def summed(works: Iterable[Work]) -> Work:
    """All of it together."""
    return sum(works, Work())


def updates(steps: int, batch: int, step: StepCount) -> Work:
    """So many updates of a batch each."""
    return Work(steps * batch, steps, steps * batch * step.flops)


def training(train: TrainSpec, samples: int, step: StepCount) -> Work:
    """A whole training on so many samples.

    Raises:
        ValueError: they do not fill one batch.
    """
    return updates(train.duration.in_steps(train.trained_samples(samples), train.batch_size), train.batch_size, step)
