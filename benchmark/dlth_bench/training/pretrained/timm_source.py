"""Models from timm: ``resnet50.a1_in1k`` is an architecture and the tag of its weights on the Hub."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import timm
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import logging as hub_logging
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from timm.models import PretrainedCfg

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

_SAFETENSORS = "model.safetensors"
"""What timm calls the weights of all its models on the Hub."""


def timm_model(name: str, weights: Path | None, *, classifier: bool, whole_image: bool) -> PretrainedModel:
    """A timm model with its weights from the Hub, or from a local file.

    Args:
        classifier: give class scores; else the pooled features before the classifier.
        whole_image: resize to the model's input size instead of cropping its usual margin off.

    Raises:
        InputError: no such model or tag, weights that do not fit, or none to be had.
    """
    described = _described(name)
    if weights is None and not described.hf_hub_id:
        raise InputError(f"--model: timm has no weights of {quoted(name)} on the Hub; give --weights FILE")
    path = _download(name, described) if weights is None else check_weights_file(weights)
    # Given a file, timm still adapts names and shapes as for its own downloads, and loads all or nothing.
    overlay = {"file": str(path), "custom_load": False}
    logging.getLogger("timm").setLevel(logging.ERROR)
    try:
        module: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError, ValueError) as error:
        raise does_not_fit(path, f"timm:{name}", error) from None
    data: dict[str, Any] = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    if whole_image:
        data |= {"crop_pct": 1.0, "crop_mode": "squash"}
    transform = create_transform(**data, is_training=False)
    if not classifier:
        module.reset_classifier(0)
    origin = f"{described.hf_hub_id} on the Hub" if weights is None else f"file {path.name}"
    return PretrainedModel(f"timm:{name}", module.eval(), transform, described_file(origin, path))


def _described(name: str) -> PretrainedCfg:
    """timm's entry of a model, with or without tag."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown_model("timm", name, [*timm.list_models(), *timm.list_pretrained()])
    tags = [known for known in timm.list_pretrained(f"{architecture}.*") if known.startswith(f"{architecture}.")]
    if tag and name not in tags:
        shown = ", ".join(tags[:8]) + (", ..." if len(tags) > 8 else "")
        raise InputError(f"--model: timm has no weights {quoted(name)}; there are {shown or 'none'}")
    described = timm.get_pretrained_cfg(name)
    return PretrainedCfg() if described is None else described


def _download(name: str, described: PretrainedCfg) -> Path:
    """The model's safetensors file, from the Hub or its cache; timm itself would fall back to a pickle."""
    own = described.hf_hub_filename or ""
    file_name = own if own.endswith(".safetensors") else _SAFETENSORS
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # five retries without a network are eleven lines of warnings
    repository, _, revision = str(described.hf_hub_id).partition("@")
    try:
        return Path(hf_hub_download(repository, file_name, revision=revision or None))
    except LocalEntryNotFoundError as error:
        raise no_download(f"timm:{name}", error.__cause__ or error) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise no_download(f"timm:{name}", error) from None
