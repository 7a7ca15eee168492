"""Models from timm: ``resnet50.a1_in1k`` is an architecture and the tag of its weights on the Hub."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.error import URLError

import timm
import torchvision.models
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import logging as hub_logging
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from timm.models import PretrainedCfg
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

Transform = Callable[[Image.Image], Tensor]
"""From an RGB image to a normalised tensor (3, height, width)."""


@dataclass(frozen=True)
class PretrainedModel:
    """A model ready to be evaluated.

    name: as the user may write it, source included.
    module: in evaluation mode; from (batch, 3, height, width) to class scores or features (batch, width).
    transform: the preprocessing that the model was evaluated with.
    weights: where they are from, in words, and their digest.
    """

    name: str
    module: nn.Module
    transform: Transform
    weights: str


def check_weights_file(path: Path) -> Path:
    """The path, if it is of a safetensors file; other formats can run code when they are read.

    Raises:
        InputError: it is none, or there is none.
    """
    if not path.is_file():
        raise InputError("no such file", source=printable(str(path)))
    try:
        if path.suffix != ".safetensors":
            raise SafetensorError
        with safe_open(path, framework="pt"):
            return path
    except SafetensorError:
        message = "is not a .safetensors file, the only format of weights that is read: others can run code"
        raise InputError(message, source=printable(str(path))) from None


def described_file(origin: str, path: Path) -> str:
    """Where weights are from, and the digest that tells them from others of that name."""
    with path.open("rb") as stream:
        return f"{origin}, sha256 {hashlib.file_digest(stream, 'sha256').hexdigest()}"


def does_not_fit(path: Path, name: str, error: Exception) -> InputError:
    """What to say of weights that a model refused to load."""
    reason = printable(" ".join(str(error).split()), 200)
    return InputError(f"does not fit {name}: {reason}", source=printable(str(path)))


def unknown_model(source: str, name: str, known: Iterable[str]) -> InputError:
    """What to say of a model that its source does not have."""
    near = get_close_matches(name, list(known), n=1)
    guess = f"; did you mean {quoted(f'{source}:{near[0]}')}?" if near else ""
    return InputError(f"--model: {source} has no model {quoted(name)}{guess}")


def no_download(name: str, error: BaseException) -> InputError:
    """What to say when weights cannot be fetched."""
    reason = printable(" ".join(str(error).split()) or type(error).__name__, 120)
    return InputError(f"--model: the weights of {name} cannot be downloaded, give --weights FILE: {reason}")


def load_classifier(name: str, weights: Path | None = None) -> PretrainedModel:
    """A model that scores classes, with the preprocessing of its own evaluation.

    Args:
        name: such as ``timm:resnet50.a1_in1k`` or ``torchvision:resnet50:IMAGENET1K_V2``.
        weights: a safetensors file in place of a download.

    Raises:
        InputError: no such source or model, or its weights cannot be had or do not fit.
    """
    source, own = _parts(name)
    if source == "timm":
        return timm_model(own, weights, classifier=True, whole_image=False)
    return torchvision_model(own, weights)


def load_encoder(name: str, weights: Path | None = None, *, whole_image: bool = False) -> PretrainedModel:
    """A timm model that gives pooled features, those its classifier would see.

    Args:
        weights: a safetensors file in place of a download.
        whole_image: nothing is cropped off, for images without a margin.

    Raises:
        InputError: not a timm model, or its weights cannot be had or do not fit.
    """
    source, own = _parts(name)
    if source != "timm":
        raise InputError("--model: features come from timm models, which include torchvision's: timm:resnet50.tv2_in1k")
    return timm_model(own, weights, classifier=False, whole_image=whole_image)


def _parts(name: str) -> tuple[str, str]:
    source, _, own = name.partition(":")
    if source not in {"timm", "torchvision"} or not own:
        raise InputError(f"--model: {quoted(name)} is neither timm:NAME nor torchvision:NAME[:WEIGHTS]")
    return source, own


_SAFETENSORS = "model.safetensors"
"""What timm calls the weights of all its models on the Hub."""


def timm_model(name: str, weights: Path | None, *, classifier: bool, whole_image: bool) -> PretrainedModel:
    """A timm model with its weights from the Hub, or from a local file.

    Args:
        classifier: give class scores; else the pooled features before the classifier.
        whole_image: resize to the model's input size instead of cropping its usual margin off.
    """
    described = _described(name)
    if weights is None and not described.hf_hub_id:
        raise InputError(f"--model: timm has no weights of {quoted(name)} on the Hub; give --weights FILE")
    path = _download_from_timm(name, described) if weights is None else check_weights_file(weights)
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


def _download_from_timm(name: str, described: PretrainedCfg) -> Path:
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


_AS_TRAINED: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "aux_logits": True, "init_weights": False},
}
"""Arguments that torchvision itself sets with the published weights; ported from other frameworks, they need them."""


def torchvision_model(name: str, weights: Path | None) -> PretrainedModel:
    """A torchvision classifier, ``<model>`` or ``<model>:<weights>``, with published weights or a local file's."""
    architecture, _, tag = name.partition(":")
    known = torchvision.models.list_models(module=torchvision.models)
    if architecture not in known:
        raise unknown_model("torchvision", architecture, known)
    published = torchvision.models.get_model_weights(architecture)
    if tag and tag not in published.__members__:
        valid = ", ".join(published.__members__)
        raise InputError(f"--model: torchvision has no weights {quoted(tag)} of {architecture}; there are {valid}")
    entry: WeightsEnum = published[tag or "DEFAULT"]
    state = _download_from_torchvision(name, entry) if weights is None else load_file(check_weights_file(weights))
    module = torchvision.models.get_model(architecture, weights=None, **_AS_TRAINED.get(architecture, {}))
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise does_not_fit(weights or Path(entry.url), f"torchvision:{name}", error) from None
    # A published file has the start of its digest in its name.
    origin = entry.url if weights is None else described_file(f"file {weights.name}", weights)
    return PretrainedModel(f"torchvision:{architecture}:{entry.name}", module.eval(), entry.transforms(), origin)


def _download_from_torchvision(name: str, entry: WeightsEnum) -> dict[str, Tensor]:
    """The published weights, from the network or torch's cache; checked by hash and read as tensors only."""
    try:
        return dict(entry.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (URLError, OSError, RuntimeError) as error:
        raise no_download(f"torchvision:{name}", error) from None
