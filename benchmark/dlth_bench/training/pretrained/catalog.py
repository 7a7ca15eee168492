"""A pretrained model by its name with its source in front: ``timm:NAME`` or ``torchvision:NAME[:WEIGHTS]``."""

from __future__ import annotations

from pathlib import Path

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted
from dlth_bench.training.pretrained.model import PretrainedModel


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
        from dlth_bench.training.pretrained.timm_source import timm_model

        return timm_model(own, weights, classifier=True, whole_image=False)
    from dlth_bench.training.pretrained.torchvision_source import torchvision_model

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
    from dlth_bench.training.pretrained.timm_source import timm_model

    return timm_model(own, weights, classifier=False, whole_image=whole_image)


def _parts(name: str) -> tuple[str, str]:
    source, _, own = name.partition(":")
    if source not in {"timm", "torchvision"} or not own:
        raise InputError(f"--model: {quoted(name)} is neither timm:NAME nor torchvision:NAME[:WEIGHTS]")
    return source, own
