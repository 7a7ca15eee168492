"""The methods on two views at their smallest, whole and stripped to their losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter
from tiny_training import EVERYTHING, RESNET, SGD, moco_spec, train_spec
from torch import Tensor, nn

from dlth_bench.protocols.methods import MethodSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.views.augment import Pixels

Array = npt.NDArray[np.float64]

COLOUR = Pixels(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
VIEW = EVERYTHING.model_copy(update={"saturation": 0.4, "hue": 0.1, "grayscale": 0.2, "interpolation": "bicubic"})
VIEWS = (VIEW, VIEW.model_copy(update={"blur": 0.0}))
START = Moment(0, 11)

_COMMON: dict[str, Any] = {"views": VIEWS, "hidden_dim": 12, "dim": 6}
_OWN: dict[str, dict[str, Any]] = {
    "barlow_twins": {},
    "byol": {"predictor_dim": 10, "momentum": 0.9},
    "nnclr": {"predictor_dim": 10, "temperature": 0.2, "queue": 20},
    "simclr": {"temperature": 0.2},
    "simsiam": {"predictor_dim": 10},
    "swav": {"prototypes": 9, "queue": 24, "queue_start": 0.3, "freeze_prototypes": 0.2},
    "vicreg": {},
}
KINDS = (*_OWN, "moco")
"""All of them, and MoCo v2+."""


def spec(kind: str, **changes: Any) -> Any:
    if kind == "moco":
        options = {"augment": VIEW, "symmetric": True, "hidden_dim": 12, "momentum": 0.9, "final_momentum": 0.99}
        return moco_spec(**(options | changes))
    return TypeAdapter(MethodSpec).validate_python({"kind": kind} | _COMMON | _OWN[kind] | changes)


def method(kind: str, *, views: tuple[AugmentSpec, AugmentSpec] | None = None, **changes: Any) -> Any:
    """The method on a tiny ResNet, in training mode, from seed 0."""
    torch.manual_seed(0)
    own = changes if views is None else changes | {"views": views}
    config = Config.model_construct(name=kind, backbone=RESNET, method=spec(kind, **own), train=train_spec(SGD))
    built: Method = build_method(config, pixels=COLOUR, classes=2)
    return built.train()


def bare(kind: str, **changes: Any) -> Any:
    """The method without its networks: a view *is* its projection, and its prediction too."""
    stripped = method(kind, **changes)
    for name in ("encoder", "head", "predictor", "target_encoder", "target_head"):
        if hasattr(stripped, name):
            setattr(stripped, name, nn.Identity())
    return stripped


def labels(batch: int) -> Tensor:
    return torch.zeros(batch, dtype=torch.long)


def embeddings(seed: int, dim: int = 6) -> tuple[Array, Array]:
    """Correlated embeddings (batch, dim) of two views, for a batch of random size."""
    numbers = np.random.default_rng(seed)
    batch = int(numbers.integers(2, 9))
    first = numbers.normal(size=(batch, dim)) * numbers.uniform(0.3, 3, dim) + numbers.normal(size=dim)
    return first, first + numbers.uniform(0.1, 1) * numbers.normal(size=(batch, dim))


def as_views(*arrays: Array) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(array).float() for array in arrays)


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def unit(rows: Array) -> Array:
    lengths: Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def cross_entropy(logits: Array, target: int) -> float:
    """-log softmax(logits)[target] of one row."""
    return float(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[target])
