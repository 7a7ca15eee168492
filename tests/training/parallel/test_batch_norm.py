"""Grouped batch norm is what several GPUs compute, and MoCo's keys meet other samples in it than their queries."""

from __future__ import annotations

import pytest
import torch
from tiny_training import GREY, RESNET, moco_spec, random_views
from torch import Tensor, nn

from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.moco import MoCo, info_nce
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.parallel.batch_norm import GroupedBatchNorm2d, group_batch_norms
from dlth_bench.util.errors import InputError

MOMENT, LABELS = Moment(0, 10), torch.zeros(8, dtype=torch.long)


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3))


def test_each_group_is_a_gpu_of_its_own() -> None:
    """Outputs and gradients equal those of one copy of the network a group; statistics those of the first copy."""
    grouped, copies = _network(), [_network() for _ in range(4)]
    group_batch_norms(grouped, 4)
    assert sum(isinstance(layer, GroupedBatchNorm2d) for layer in grouped) == 2
    images = random_views(8)
    for _ in range(3):
        ours = grouped(images)
        theirs = torch.cat([copy(part) for copy, part in zip(copies, images.chunk(4), strict=True)])
    torch.testing.assert_close(ours, theirs)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    gradients = [sum(parts) for parts in zip(*([p.grad for p in copy.parameters()] for copy in copies), strict=True)]
    for parameter, expected in zip(grouped.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, expected, atol=1e-4, rtol=1e-4)
    for name, buffer in grouped.named_buffers():
        torch.testing.assert_close(buffer, copies[0].get_buffer(name))
    torch.testing.assert_close(grouped.eval()(images), copies[0].eval()(images))


def test_what_cannot_be_grouped_is_refused() -> None:
    """A batch that does not split, and a network whose batch norms would go on to see the whole batch."""
    network = _network()
    group_batch_norms(network, 3)
    with pytest.raises(ValueError, match="8 does not split into 3"):
        network(random_views(8))
    with pytest.raises(InputError, match="BatchNormAct2d"):
        group_batch_norms(build_backbone(RESNET, 32, 1), 2)


class _Encoder(nn.Module):
    """A small network with plain batch norms, pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _network()

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).mean((2, 3))


def _moco(groups: int | None) -> MoCo:
    encoder = _Encoder()
    torch.manual_seed(1)
    return MoCo(moco_spec(batch_norm_groups=groups, mlp=False, momentum=1.0), encoder, 3, GREY).train()


def test_keys_are_shuffled_and_put_back() -> None:
    """Key i is of view i, normalised in the group that the step's random order puts it in."""
    method, reference = _moco(4), _moco(4)
    views = random_views(8), random_views(8, seed=1)
    torch.manual_seed(5)
    order = torch.randperm(8)
    shuffled = reference.key_head(reference.key_encoder(views[1][order]))
    keys = torch.empty_like(shuffled)
    for place, sample in enumerate(order.tolist()):
        keys[sample] = shuffled[place]
    keys = nn.functional.normalize(keys, dim=1)
    queries = nn.functional.normalize(reference.head(reference.encoder(views[0])), dim=1)
    expected = info_nce(queries, keys, reference.queue, 0.2)
    torch.manual_seed(5)
    loss = method(views, LABELS, MOMENT)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(method.queue[:8], keys)


def test_without_groups_batch_norm_sees_the_whole_batch() -> None:
    """The default is what it was: no shuffle, no grouped layers, the same draws."""
    method = _moco(None)
    assert not any(isinstance(module, GroupedBatchNorm2d) for module in method.modules())
    torch.manual_seed(0)
    method((random_views(8), random_views(8, seed=1)), LABELS, MOMENT)
    after = torch.rand(())
    torch.manual_seed(0)
    assert torch.equal(torch.rand(()), after)
