"""What training a config takes, from its networks' shapes alone: floating-point operations and memory.

Views are made of a few noise images; networks, loss and backward then run on torch's meta device, which keeps shapes
and no numbers, so that an estimate for large networks takes seconds on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlth_bench.spec.data import DataSpec
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.method import FinetuneSpec, LinearSpec, MoCoSpec
from dlth_bench.spec.protocol import Config
from dlth_bench.spec.recipe import OptimizerSpec, TrainSpec
from dlth_bench.training.augment import Pixels
from dlth_bench.training.methods.base import Method, Moment
from dlth_bench.training.pruning.search_task import search_config
from dlth_bench.training.recipe_facts import finetuned, untrained

PROBED = 4
"""Images of the counted step."""

FLOAT_BYTES = 4
"""Training is in single precision."""


class Estimate(Frozen):
    """What one run of a config takes on so many training samples."""

    config: str
    images: int
    """Samples drawn in all stages, all views of one counted once."""
    steps: int
    """Updates of all stages."""
    flops: float
    """Of all stages, a multiply-add counted as two."""
    fixed_bytes: int
    """Weights, averages, queues, gradients and the optimizer's state of the larger stage."""
    image_bytes: int
    """What the larger stage keeps of each image of a micro-batch between forward and backward."""


@dataclass(frozen=True)
class _Step:
    """One update of a stage: FLOPs and kept bytes an image, and bytes whatever the batch."""

    flops: float
    image_bytes: int
    fixed_bytes: int


def estimates(
    config: Config, data: DataSpec, *, samples: Sequence[int], classes: int, image_size: int
) -> tuple[Estimate, ...]:
    """The estimates of a config on each of several numbers of training images; of what it measures beside, none.

    Args:
        classes: of the classifier; one for fewer classes costs hardly less.
        image_size: side of the images in pixels from which views are cut; of images of different sizes any will do.
    """
    pixels = Pixels(image_size, data.pixel_mean, data.pixel_std, config.eval_view)
    method = untrained(_in_small_groups(config), pixels, classes)
    first = _probed(method, config.train.optimizer, pixels)
    evaluation, second = config.evaluation, _Step(0.0, 0, 0)
    if isinstance(evaluation, FinetuneSpec):
        second = _probed(finetuned(evaluation, config, pixels, classes), evaluation.train.optimizer, pixels)
    elif isinstance(evaluation, LinearSpec):
        # A head's own steps are nothing beside the features that it sees.
        second = _Step(_forward_flops(method.encoder, pixels), 0, 0)
    if config.pruning is not None and config.pruning.search is not None:
        task = search_config(config, config.pruning.search)
        searching = _probed(untrained(task, pixels, classes), task.train.optimizer, pixels)
        return tuple(_ticket_estimate(config, first, searching, _equal(count, classes)) for count in samples)
    return tuple(_estimate(config, first, second, count) for count in samples)


def _equal(samples: int, classes: int) -> list[int]:
    """Sizes of classes with about as many samples each."""
    return [max(1, samples // classes)] * classes


def _ticket_estimate(config: Config, ticket: _Step, search: _Step, sizes: Sequence[int]) -> Estimate:
    """Of a config whose search is a training of its own.

    Args:
        sizes: samples of each class, equally many.
    """
    pruning = config.pruning
    if pruning is None or pruning.search is None:
        raise ValueError(f"config {config.name} has no search of its own")
    searched, trained = pruning.search_images(config.train, sizes) or 0, pruning.ticket_images(config.train, sum(sizes))
    own = pruning.search.train or config.train
    return Estimate(
        config=config.name,
        images=searched + trained,
        steps=searched // own.batch_size + trained // config.train.batch_size,
        flops=search.flops * searched + ticket.flops * trained,
        fixed_bytes=max(search.fixed_bytes, ticket.fixed_bytes),
        image_bytes=max(search.image_bytes, ticket.image_bytes),
    )


def _estimate(config: Config, first: _Step, second: _Step, samples: int) -> Estimate:
    steps, images = _length(config.train, samples)
    if config.pruning is not None:  # all rounds
        steps = config.pruning.updates(config.train, samples)
        images = steps * config.train.batch_size
    if config.removal is not None:  # trained on all samples first
        more, drawn = _length(config.train, config.removal.kept(samples))
        steps, images = steps + more, images + drawn
    flops, evaluation = first.flops * images, config.evaluation
    if evaluation is not None:
        more, drawn = _length(evaluation.train, samples)
        if isinstance(evaluation, LinearSpec) and evaluation.augment is None:
            drawn = samples  # features are computed once
        steps, images, flops = steps + more, images + drawn, flops + second.flops * drawn
    return Estimate(
        config=config.name,
        images=images,
        steps=steps,
        flops=flops,
        fixed_bytes=max(first.fixed_bytes, second.fixed_bytes),
        image_bytes=max(first.image_bytes, second.image_bytes),
    )


def _in_small_groups(config: Config) -> Config:
    """Batch norm in groups that the counted step's few images can be split into; it costs the same."""
    if isinstance(config.method, MoCoSpec) and config.method.batch_norm_groups is not None:
        return config.model_copy(update={"method": config.method.model_copy(update={"batch_norm_groups": 2})})
    return config


def _length(train: TrainSpec, samples: int) -> tuple[int, int]:
    steps = train.duration.in_steps(train.trained_samples(samples), train.batch_size)
    return steps, steps * train.batch_size


def _probed(method: Method, optimizer: OptimizerSpec, pixels: Pixels) -> _Step:
    side = pixels.size or pixels.input_size
    noise = torch.randint(0, 256, (PROBED, pixels.channels, side, side), dtype=torch.uint8)
    views = method.views(noise, torch.Generator().manual_seed(0))
    method.to("meta").train()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    held = {parameter.untyped_storage()._cdata for parameter in method.parameters()}
    labels = torch.zeros(PROBED, dtype=torch.int64, device="meta")
    with (
        torch.random.fork_rng(devices=[]),
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        method(tuple(view.to("meta") for view in views), labels, Moment(0, 1)).backward()
    activations = sum(size for storage, size in kept.items() if storage not in held)
    return _Step(counter.get_total_flops() / PROBED, activations // PROBED, _fixed_bytes(method, optimizer))


@torch.no_grad()
def _forward_flops(encoder: nn.Module, pixels: Pixels) -> float:
    side = pixels.input_size or pixels.size
    encoder.eval()
    with FlopCounterMode(display=False) as counter:
        encoder(torch.empty((1, pixels.channels, side, side), device="meta"))
    return float(counter.get_total_flops())


def _fixed_bytes(method: Method, optimizer: OptimizerSpec) -> int:
    weights = sum(tensor.numel() * tensor.element_size() for tensor in method.state_dict().values())
    trained = sum(parameter.numel() for parameter in method.parameters() if parameter.requires_grad)
    slots = 2 if optimizer.kind == "adamw" or (optimizer.kind == "rmsprop" and optimizer.momentum) else 1
    return int(weights + FLOAT_BYTES * trained * (1 + slots))
