"""Classifiers from torchvision: ``resnet50:IMAGENET1K_V2`` is a model and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import torchvision.models
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import WeightsEnum

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted
from dlth_bench.training.pretrained.model import (
    PretrainedModel,
    check_weights_file,
    described_file,
    does_not_fit,
    no_download,
    unknown_model,
)

_AS_TRAINED: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "aux_logits": True, "init_weights": False},
}
"""Arguments that torchvision itself sets with the published weights; ported from other frameworks, they need them."""


def torchvision_model(name: str, weights: Path | None) -> PretrainedModel:
    """A torchvision classifier, ``<model>`` or ``<model>:<weights>``, with published weights or a local file's.

    Raises:
        InputError: no such model or weights, weights that do not fit, or none to be had.
    """
    architecture, _, tag = name.partition(":")
    known = torchvision.models.list_models(module=torchvision.models)
    if architecture not in known:
        raise unknown_model("torchvision", architecture, known)
    published = torchvision.models.get_model_weights(architecture)
    if tag and tag not in published.__members__:
        valid = ", ".join(published.__members__)
        raise InputError(f"--model: torchvision has no weights {quoted(tag)} of {architecture}; there are {valid}")
    entry: WeightsEnum = published[tag or "DEFAULT"]
    state = _download(name, entry) if weights is None else load_file(check_weights_file(weights))
    module = torchvision.models.get_model(architecture, weights=None, **_AS_TRAINED.get(architecture, {}))
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise does_not_fit(weights or Path(entry.url), f"torchvision:{name}", error) from None
    # A published file has the start of its digest in its name.
    origin = entry.url if weights is None else described_file(f"file {weights.name}", weights)
    return PretrainedModel(f"torchvision:{architecture}:{entry.name}", module.eval(), entry.transforms(), origin)


def _download(name: str, entry: WeightsEnum) -> dict[str, Tensor]:
    """The published weights, from the network or torch's cache; checked by hash and read as tensors only."""
    try:
        return dict(entry.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (URLError, OSError, RuntimeError) as error:
        raise no_download(f"torchvision:{name}", error) from None
