"""The cost of training is what counting by hand gives."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from tiny_training import BATCH, CLASSES, CONFIGS, GREY, IMAGES_PER_CLASS, SGD, VIT, random_images, tiny_run, train_spec
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.training.flops import FlopCounter, forward_flops, stage_flops
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_run import train_prepared
from dlth_bench.training.views.augment import to_float

STEPS = 7


class _Net(Method):
    """A network whose mean output is the loss, on unaugmented images."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.encoder = net

    def views(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (to_float(images),)

    def forward(self, views: tuple[Tensor, ...], labels: Tensor, moment: Moment) -> Tensor:
        output: Tensor = self.encoder(views[0])
        return output.mean()


def _counted(net: nn.Module, size: int) -> float:
    images, labels = random_images(16, size=size), torch.zeros(16, dtype=torch.long)
    stage = Stage("pretrain", _Net(net), images, labels, train_spec(SGD, STEPS, BATCH), 0)
    return stage_flops(stage, partial(_Net, net))


def test_linear_layers() -> None:
    """2 m n k a product: forward and weight gradient of each layer, input gradient of all but the first."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 3))
    assert _counted(net, 8) == STEPS * BATCH * 2 * (2 * 64 * 10 + 3 * 10 * 3)


def test_convolutions() -> None:
    """A 3x3 convolution of stride 2 costs its output places, times channels, times 9."""
    net = nn.Sequential(nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1))
    assert _counted(net, 16) == STEPS * BATCH * 2 * (8 * 8) * 9 * (2 * 1 * 6 + 3 * 6 * 4)


def test_transformer_blocks_count_attention() -> None:
    """A forward pass counts the attention's two products, on processors too, beside those of the weights."""
    encoder, n, d = build_backbone(VIT, 32, 1).eval(), 17, VIT.dim
    block = 2 * n * (3 * d * d + d * d + 2 * 4 * d * d) + 2 * 2 * n * n * d
    embedding = 2 * 16 * (8 * 8) * d
    images = torch.randn(1, 1, 32, 32)
    assert forward_flops(encoder, images, samples=5) == 5 * (VIT.depth * block + embedding)


def test_transformer_backward_counts_attention() -> None:
    """Backward costs twice the weights' products, and 2.5 times the attention's: fused kernels compute scores anew."""
    net, n, d = build_backbone(VIT, 32, 1), 17, VIT.dim
    block = 3 * 2 * n * 12 * d * d + 3.5 * 2 * 2 * n * n * d
    embedding = 2 * 2 * 16 * (8 * 8) * d
    assert _counted(net, 32) == STEPS * BATCH * (VIT.depth * block + embedding)


HEADS = 2 * 3
QUERIES, KEYS, WIDTH, VALUE_WIDTH = 17, 23, 16, 8
SCORES, VALUES = 2 * HEADS * QUERIES * KEYS * WIDTH, 2 * HEADS * QUERIES * KEYS * VALUE_WIDTH


def _attention(device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value of two samples and three heads."""
    shapes = (QUERIES, WIDTH), (KEYS, WIDTH), (KEYS, VALUE_WIDTH)
    query, key, value = (torch.randn(2, 3, *shape, device=device, requires_grad=True) for shape in shapes)
    return query, key, value


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("kernel", ["chosen", "plain products", "dropout"])
def test_attention_counts_the_same_whatever_computes_it(device: str, kernel: str) -> None:
    """A kernel that torch does not count, one that it does, and plain matrix products cost what the shapes say."""
    backends = [SDPBackend.MATH] if kernel == "plain products" else list(SDPBackend.__members__.values())[1:]
    dropout = 0.1 if kernel == "dropout" else 0.0
    query, key, value = _attention(device)
    with sdpa_kernel(backends), FlopCounter() as counter:
        F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    assert counter.flops == SCORES + VALUES
    with sdpa_kernel(backends), FlopCounter() as counter:
        F.scaled_dot_product_attention(query, key, value=value, dropout_p=dropout).sum().backward()
    assert counter.flops == (SCORES + VALUES) + (3 * SCORES + 2 * VALUES)


@pytest.mark.parametrize("kind", CONFIGS)
def test_cost_of_a_run(kind: str) -> None:
    """Images are steps times batch size, plus one pass to compute a probe's features; counting costs no state."""
    prepared = prepare_run(tiny_run(CONFIGS[kind]), Glyphs(), device="cpu")
    cost = train_prepared(prepared).cost
    assert cost is not None
    evaluated = {"moco": len(CLASSES) * IMAGES_PER_CLASS, "dino": len(CLASSES) * IMAGES_PER_CLASS, "mae": 12 * BATCH}
    assert cost.images == 12 * BATCH + evaluated.get(kind, 0)
    assert cost.flops > 0
    assert cost.device_seconds > 0


@pytest.mark.parametrize("kind", CONFIGS)
def test_counting_leaves_the_stage_alone(kind: str) -> None:
    """Counting happens on a fresh method and on forked generators: nothing of the stage and no draw changes."""
    prepared = prepare_run(tiny_run(CONFIGS[kind]), Glyphs(), device="cpu")
    stage = Stage(
        "pretrain", prepared.new_method(), random_images(16), torch.zeros(16, dtype=torch.long), train_spec(SGD), 0
    )
    before = {name: tensor.clone() for name, tensor in stage.method.state_dict().items()}
    state = torch.get_rng_state()
    first = stage_flops(stage, prepared.new_method)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in stage.method.state_dict().items())
    assert stage_flops(stage, prepared.new_method) == first


def test_pixels_do_not_matter_to_the_cost() -> None:
    """The count depends on shapes alone, so that a cost can be predicted before training."""
    encoder = build_backbone(VIT, 32, 1).eval()
    zeros = GREY.normalized(torch.zeros(1, 1, 32, 32))
    assert forward_flops(encoder, zeros, 3) == forward_flops(encoder, torch.randn(1, 1, 32, 32), 3)
