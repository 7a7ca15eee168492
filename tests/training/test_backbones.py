"""The backbones are the networks that the recipes name."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torchvision.models import resnet18

from dlth_bench.protocols.recipe import CNNSpec, MLPSpec, ResNetSpec
from dlth_bench.training.networks import build_backbone
from dlth_bench.util.model import Frozen

RESNET18 = ResNetSpec(
    kind="resnet",
    widths=(64, 128, 256, 512),
    blocks=(2, 2, 2, 2),
    stem_stride=1,
    stem_padding=2,
    zero_init_residual=False,
)


RENAMED = {
    "conv1": "conv1_kxk.conv",
    "bn1": "conv1_kxk.bn",
    "conv2": "conv2_kxk.conv",
    "bn2": "conv2_kxk.bn",
    "downsample.0": "shortcut.conv",
    "downsample.1": "shortcut.bn",
}
"""torchvision's names of the parts of a block, and timm's."""


def _timm_name(name: str) -> str:
    """timm's name of a tensor of torchvision's ResNet."""
    module, _, tensor = name.rpartition(".")
    if not module.startswith("layer"):
        return f"stem.{ {'conv1': 'conv', 'bn1': 'bn'}[module] }.{tensor}"
    stage, block, part = module.split(".", 2)
    return f"stages.{int(stage[-1]) - 1}.{block}.{RENAMED[part]}.{tensor}"


def test_resnet18_for_cifar_is_torchvision_s_with_another_stem() -> None:
    """With torchvision's weights, and its stem changed as solo-learn changes it, features are torchvision's."""
    torch.manual_seed(0)
    theirs = resnet18()
    theirs.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=2, bias=False)
    theirs.maxpool, theirs.fc = nn.Identity(), nn.Identity()
    ours = build_backbone(RESNET18, 32, 3)
    assert ours.num_features == 512
    ours.load_state_dict({_timm_name(name): value for name, value in theirs.state_dict().items()})
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("zeros", "weight"), [(True, 0.0), (False, 1.0)])
def test_blocks_start_as_identities_or_not(zeros: bool, weight: float) -> None:
    """The last norm of every block has weight 0 by default, and 1 as torchvision's."""
    network = build_backbone(RESNET18.model_copy(update={"zero_init_residual": zeros}), 32, 3)
    last = [p for name, p in network.named_parameters() if name.endswith("conv2_kxk.bn.weight")]
    assert len(last) == 8
    assert all(bool((parameter == weight).all()) for parameter in last)


@pytest.mark.parametrize("spec", [MLPSpec, ResNetSpec, CNNSpec])
def test_a_layer_without_units_is_refused(spec: type[Frozen]) -> None:
    kinds = {MLPSpec: {"kind": "mlp"}, ResNetSpec: {"kind": "resnet"}, CNNSpec: {"kind": "cnn", "family": "vgg"}}
    blocks = {} if spec is MLPSpec else {"blocks": (1,)}
    assert spec.model_validate(kinds[spec] | {"widths": (8,)} | blocks)
    with pytest.raises(ValidationError):
        spec.model_validate(kinds[spec] | {"widths": (0,)} | blocks)


def test_a_perceptron_sees_the_averaged_image() -> None:
    """Hidden layers of the widths asked for, on the means of patches; dropout in training alone."""
    torch.manual_seed(0)
    network = build_backbone(MLPSpec(kind="mlp", widths=(8, 5), input_size=2, dropout=0.5), 4, 1)
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(4, 8), (8, 5)]
    assert network.num_features == 5
    image = torch.arange(16.0).view(1, 1, 4, 4)
    pooled = torch.tensor([[2.5, 4.5, 10.5, 12.5]])
    network.eval()
    expected = linear[1](linear[0](pooled).relu()).relu()
    assert torch.allclose(network(image), expected)
    network.train()
    assert not torch.allclose(network(image.expand(64, 1, 4, 4)), expected.expand(64, 5))
