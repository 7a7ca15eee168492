"""A batch in parts is the batch: each sample is in one part, and is drawn for as if the batch were whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.layers.drop import DropPath
from tiny_training import EVERYTHING, random_images
from torch import Tensor, nn
from torchvision.ops import StochasticDepth
from two_view_examples import COLOUR, VIEW

from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.parallel.processes import BatchPart, divided
from dlth_bench.training.random import PartGenerator, draw_for_parts
from dlth_bench.training.views.augment import Augment
from dlth_bench.util.errors import InputError

BATCH = 9


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("batch", "parts"), [(8, 1), (8, 4), (9, 2), (9, 4), (64, 5)])
def test_each_sample_is_in_one_part(batch: int, parts: int, mirrored: bool) -> None:
    """Parts cover the batch without overlap and are about equally large."""
    rows = [part.rows for part in divided(batch, parts, mirrored=mirrored)]
    assert sorted(torch.cat(rows).tolist()) == list(range(batch))
    sizes = [len(part) for part in rows]
    assert max(sizes) - min(sizes) <= (3 if mirrored else 1)


@pytest.mark.parametrize("batch", [8, 9])
def test_mirrors_stay_together(batch: int) -> None:
    """The mirror of a sample within its part is its mirror in the batch, so that mixing needs no other part."""
    for part in divided(batch, 3, mirrored=True):
        assert torch.equal(part.rows.flip(0), batch - 1 - part.rows)


def test_more_parts_than_samples_are_refused() -> None:
    """It says how large the batch is, and of pairs that they are pairs."""
    with pytest.raises(InputError, match="a batch of 3 cannot be divided into 4"):
        divided(3, 4)
    with pytest.raises(InputError, match="a batch of 6 of samples that are mixed in pairs cannot be divided into 4"):
        divided(6, 4, mirrored=True)


def test_a_part_of_several_views_is_that_of_each() -> None:
    """Of a tensor that holds the batch three times, a part has its rows of each, and a part of a part likewise."""
    part = divided(6, 2)[1]
    views = torch.arange(18)
    assert part.of(views).tolist() == [3, 4, 5, 9, 10, 11, 15, 16, 17]
    inner = part.within(divided(3, 3)[2])
    assert inner.of(views).tolist() == [5, 11, 17]


def _augmented(spec: AugmentSpec, images: Tensor, part: BatchPart | None) -> Tensor:
    generator = PartGenerator().manual_seed(3)
    generator.part = part  # type: ignore[attr-defined]
    return Augment(spec, COLOUR)(images if part is None else part.of(images), generator)


@pytest.mark.parametrize(
    "changes",
    [{}, {"policy": "randaugment"}, {"policy": "autoaugment"}, {"policy": "trivialaugment", "erase": 0.7}, "noise"],
    ids=["plain", "randaugment", "autoaugment", "trivialaugment", "noise"],
)
def test_samples_are_augmented_the_same_in_any_part(changes: Any) -> None:
    """Whatever the augmentation, the views of a part are those that its samples have in the whole batch."""
    changes = {"erase": 0.7, "erase_noise": True} if changes == "noise" else changes
    spec = VIEW.model_copy(update=changes)
    images = random_images(2 * BATCH, channels=3, size=16)  # two views of a batch at once
    whole = _augmented(spec, images, None)
    for part in divided(BATCH, 3):
        torch.testing.assert_close(_augmented(spec, images, part), part.of(whole))


def test_other_generators_are_as_they_were() -> None:
    """A plain generator and one without a part draw the same, so that what was stored is repeated."""
    images = random_images(4, channels=3, size=16)
    plain = Augment(EVERYTHING, COLOUR)(images, torch.Generator().manual_seed(3))
    assert torch.equal(plain, _augmented(EVERYTHING, images, None))


@pytest.mark.parametrize("layer", [DropPath(0.5), StochasticDepth(0.5, "row"), nn.Dropout(0.5)])
def test_layers_drop_the_same_of_a_sample_in_any_part(layer: nn.Module) -> None:
    """Stochastic depth and dropout strike a sample in a part as they do in the whole batch, and not in evaluation."""
    network, inputs = nn.Sequential(layer).train(), torch.randn(2 * BATCH, 3, 4)
    torch.manual_seed(5)
    whole = network(inputs)
    (drawing,) = draw_for_parts(network)
    for part in divided(BATCH, 2):
        drawing.part = part  # type: ignore[assignment]
        torch.manual_seed(5)
        assert torch.equal(network(part.of(inputs)), part.of(whole))
    assert torch.equal(network.eval()(inputs), inputs)
