"""Named random streams.

Every draw of a run is a function of (seed, stream, position), never of what was drawn before. So a resumed run
has no generator state to restore and equals an uninterrupted one bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream_seed(seed: int, stream: str, position: int = 0) -> int:
    """A 63-bit seed for one position (a step or an epoch) of a named stream of a run."""
    text = f"{seed}/{stream}/{position}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


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
