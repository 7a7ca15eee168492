"""The small networks are made of the blocks that their families are known for."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torchvision.models import densenet, resnet, vgg

from dlth_bench.protocols.recipe import CNNSpec
from dlth_bench.training.networks import build_cnn

SPECS = {
    "resnet": CNNSpec(kind="cnn", family="resnet", widths=(32, 64), blocks=(1, 2)),
    "resnext": CNNSpec(kind="cnn", family="resnext", widths=(32, 64), blocks=(1, 2), group_width=8),
    "regnety": CNNSpec(kind="cnn", family="regnety", widths=(16, 32), blocks=(1, 2), group_width=8),
    "densenet": CNNSpec(kind="cnn", family="densenet", blocks=(2, 3), growth=8),
    "mobilenetv3": CNNSpec(kind="cnn", family="mobilenetv3", widths=(16, 24), blocks=(1, 2)),
    "convnext": CNNSpec(kind="cnn", family="convnext", widths=(8, 16, 24, 24), blocks=(1, 1, 2, 1)),
    "vgg": CNNSpec(kind="cnn", family="vgg", widths=(8, 16, 16), blocks=(1, 2, 1)),
}


def weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("family", SPECS)
def test_features_are_as_wide_as_announced(family: str) -> None:
    """A head built for num_features fits, for images of one channel."""
    network = build_cnn(SPECS[family], 1).eval()
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, network.num_features)


@pytest.mark.parametrize(("family", "groups", "narrowing"), [("resnet", 1, 4), ("resnext", 4, 2)])
def test_bottlenecks_have_the_weights_of_torchvision_s(family: str, groups: int, narrowing: int) -> None:
    """A stage has as many weights as torchvision's bottleneck blocks of that width and group size."""
    planes, width = 64 // resnet.Bottleneck.expansion, 64 // narrowing
    base_width = 64 * width // (planes * groups)
    shortcut = nn.Sequential(nn.Conv2d(32, 64, 1, bias=False), nn.BatchNorm2d(64))
    theirs = nn.Sequential(
        resnet.Bottleneck(32, planes, 2, shortcut, groups, base_width),
        resnet.Bottleneck(64, planes, groups=groups, base_width=base_width),
    )
    stage = build_cnn(SPECS[family], 1).get_submodule("stages.1")
    assert weights(stage) == weights(theirs)


def test_dense_layers_have_the_weights_of_torchvision_s() -> None:
    """All behind the stem is torchvision's DenseNet of that growth."""
    theirs = densenet.DenseNet(growth_rate=8, block_config=(2, 3), num_init_features=16, num_classes=1).features
    theirs.conv0 = nn.Conv2d(1, 16, 3, bias=False)
    assert weights(build_cnn(SPECS["densenet"], 1)) == weights(theirs)


def test_vgg_16_has_the_weights_of_torchvision_s() -> None:
    """Its convolutions and norms are those of configuration D; these have a bias more, which the norms undo."""
    spec = CNNSpec(kind="cnn", family="vgg", widths=(64, 128, 256, 512, 512), blocks=(2, 2, 3, 3, 3))
    with torch.device("meta"):
        ours, theirs = build_cnn(spec, 3), vgg.make_layers(vgg.cfgs["D"], batch_norm=True)
    biases = [module.bias for module in theirs if isinstance(module, nn.Conv2d)]
    assert weights(ours) == weights(theirs) - sum(bias.numel() for bias in biases if bias is not None)
    assert sum(isinstance(module, nn.MaxPool2d) for module in ours.modules()) == 4


@pytest.mark.parametrize(("family", "present"), [("resnext", False), ("regnety", True), ("mobilenetv3", True)])
def test_squeeze_and_excitation_where_the_family_has_it(family: str, present: bool) -> None:
    """RegNetY and MobileNetV3 weigh their channels by the image, ResNeXt does not."""
    names = {type(module).__name__ for module in build_cnn(SPECS[family], 1).modules()}
    assert bool(names & {"SEModule", "SqueezeExcite"}) is present


@pytest.mark.parametrize("family", ["convnext", "mobilenetv3"])
def test_depthwise_convolutions(family: str) -> None:
    """Spatial convolutions behind the stem see one channel each."""
    spatial = [m for m in build_cnn(SPECS[family], 1).modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] > 2]
    assert all(m.groups == m.in_channels for m in spatial if m.in_channels > 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": "resnext", "widths": (8,), "blocks": (1,)}, "needs a group_width"),
        ({"family": "resnet", "widths": (8,), "blocks": (1,), "growth": 8}, "takes no growth"),
        ({"family": "densenet", "widths": (8,), "blocks": (1,), "growth": 8}, "needs 0 widths"),
        ({"family": "convnext", "widths": (8, 8), "blocks": (1, 1)}, "needs 4 widths"),
        ({"family": "resnet", "widths": (8,), "blocks": (1,), "drop_path": 0.1}, "takes no drop_path"),
    ],
)
def test_fields_of_another_family_are_refused(fields: dict[str, object], message: str) -> None:
    """A field that would have no effect is an error, not silently ignored."""
    with pytest.raises(ValidationError, match=message):
        CNNSpec.model_validate({"kind": "cnn", **fields})
