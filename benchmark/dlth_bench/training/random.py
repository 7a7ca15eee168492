"""Random draws of a part of a batch: those that the same samples have when the whole batch is drawn for.

What is random about a sample depends on its place in the batch alone, so that a batch is the same however many
processes or micro-batches it is divided over. Draws are cheap next to what is computed from them, so each process
draws for the whole batch and takes its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from dlth_bench.training.parallel.processes import BatchPart


def stream_seed(seed: int, stream: str, position: int = 0) -> int:
    """A 63-bit seed for one position (a step or an epoch) of a named stream of a run."""
    text = f"{seed}/{stream}/{position}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def stream_generator(seed: int, stream: str, position: int = 0) -> torch.Generator:
    """A generator on the CPU at the start of one position of a named stream."""
    return torch.Generator().manual_seed(stream_seed(seed, stream, position))


@contextmanager
def global_stream(seed: int, stream: str) -> Iterator[None]:
    """Draws from torch's global generators inside the block come from the named stream; restored after."""
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, stream))
        yield


def seed_model_draws(device: torch.device, seed: int) -> None:
    """Seed the generators that networks on ``device`` draw from (stochastic depth, masks, mixup).

    ``torch.manual_seed`` does so for every kind of device there is, which takes longer than many a small layer.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


class PartGenerator(torch.Generator):
    """A generator whose draws for samples are those of a part of the batch."""

    part: BatchPart | None = None


class StepsGenerator(torch.Generator):
    """Draws for the samples of several steps at once, those of each step from its own generator.

    Samples stand in the order (views, steps, batch), as when the batches of all steps are augmented as one.
    """

    steps: Sequence[torch.Generator] = ()
    """One each, on a CPU."""
    batch: int = 0
    """Samples of a step."""

    def joined(self, drawn: Sequence[Tensor], dim: int) -> Tensor:
        """What was drawn for each step, with its samples (views * batch) along ``dim``, as one tensor of all."""
        apart = [each.view(*each.shape[:dim], -1, self.batch, *each.shape[dim + 1 :]) for each in drawn]
        return torch.stack(apart, dim + 1).flatten(dim, dim + 2)


def uniform(rows: int, samples: int, generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1), (rows, samples), for the samples that the generator draws for."""
    if isinstance(generator, StepsGenerator):
        each = samples // len(generator.steps)
        return generator.joined([torch.rand((rows, each), generator=step) for step in generator.steps], 1)
    part = _part_of(generator)
    count = samples if part is None else part.whole_length(samples)
    drawn = torch.rand((rows, count), generator=generator, device=generator.device)
    return drawn if part is None else part.of(drawn, dim=1)


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape of a tensor (samples, ...)."""
    if isinstance(generator, StepsGenerator):
        one = like[: len(like) // len(generator.steps)]
        return generator.joined([torch.empty_like(one).normal_(generator=step) for step in generator.steps], 0)
    part = _part_of(generator)
    if part is None:
        return torch.empty_like(like).normal_(generator=generator)
    whole = like.new_empty((part.whole_length(len(like)), *like.shape[1:]))
    return part.of(whole.normal_(generator=generator))


def _part_of(generator: torch.Generator) -> BatchPart | None:
    return generator.part if isinstance(generator, PartGenerator) else None


class _PartDropout(nn.Dropout):
    part: BatchPart | None = None

    def forward(self, input: Tensor) -> Tensor:
        if self.part is None or not self.training or not self.p:
            return super().forward(input)
        return input * self.part.of(
            super().forward(input.new_ones((self.part.whole_length(len(input)), *input.shape[1:])))
        )


class _PartDropPath(DropPath):
    part: BatchPart | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.part is None or not self.training or not self.drop_prob:
            return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]
        return x * self.part.of(super().forward(_one_a_sample(x, self.part)))  # type: ignore[no-untyped-call]


class _PartStochasticDepth(StochasticDepth):  # type: ignore[misc]  # torchvision declares no type
    part: BatchPart | None = None

    def forward(self, input: Tensor) -> Tensor:
        if self.part is None or not self.training or self.mode != "row" or not self.p:
            return super().forward(input)  # type: ignore[no-any-return]
        return input * self.part.of(super().forward(_one_a_sample(input, self.part)))


def _one_a_sample(tensor: Tensor, part: BatchPart) -> Tensor:
    return tensor.new_ones((part.whole_length(len(tensor)), *(1,) * (tensor.ndim - 1)))


_OF_PARTS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: _PartDropout,
    DropPath: _PartDropPath,
    StochasticDepth: _PartStochasticDepth,
}


def draw_for_parts(network: nn.Module) -> list[nn.Module]:
    """Let the layers of a network that draw do so for parts, in place; returns them, to be told of each part."""
    layers = []
    for layer in network.modules():
        kind = _OF_PARTS.get(type(layer))
        if kind is not None:
            layer.__class__ = kind  # all else about it stays: its options, name and place
        if isinstance(layer, tuple(_OF_PARTS.values())):
            layers.append(layer)
    return layers
