"""Models that others trained: from timm or torchvision, with downloaded weights or a local safetensors file."""

from dlth_bench.training.pretrained.catalog import load_classifier, load_encoder
from dlth_bench.training.pretrained.model import PretrainedModel

__all__ = ["PretrainedModel", "load_classifier", "load_encoder"]
