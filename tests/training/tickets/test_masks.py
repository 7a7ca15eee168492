"""Masks are exact: which weights they are over, how many they keep, which of equals, and what their files hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from tiny_training import GREY, IDENTITY, RESNET, VIT
from torch import Tensor, nn

from dlth_bench.protocols.tickets import LayerDepth
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.tickets.masks import (
    Mask,
    ScoresNotFinite,
    keep_highest,
    load_mask,
    packed,
    prunable_weights,
    save_mask,
    unpacked,
)
from dlth_bench.util.errors import InputError

SHAPES = {"one": (3, 2, 3, 3), "two": (5, 7), "three": (1,)}


def method_of(encoder: nn.Module, features: int, classes: int = 3) -> Supervised:
    return Supervised(encoder, nn.Linear(features, classes), augment=IDENTITY, pixels=GREY)


def dense(shapes: dict[str, tuple[int, ...]] = SHAPES) -> Mask:
    return Mask({name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()})


def random_scores(levels: int, seed: int) -> dict[str, Tensor]:
    """Whole numbers below ``levels``: the fewer, the more ties."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randint(levels, shape, generator=generator).float() for name, shape in SHAPES.items()}


def test_convolutions_and_hidden_linear_layers_are_pruned() -> None:
    """Norms, biases and the classifier stay dense, by whatever names a library gives its layers."""
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 6), nn.LayerNorm(6))
    found = prunable_weights(method_of(encoder, 6))
    assert {name: tuple(weight.shape) for name, weight in found.items()} == {
        "encoder.0.weight": (4, 1, 3, 3),
        "encoder.3.weight": (6, 4),
    }
    resnet = method_of(build_backbone(RESNET, 32, 1), 16)
    assert set(prunable_weights(resnet)) == {name for name in resnet.state_dict() if name.endswith("conv.weight")}
    vit = method_of(build_backbone(VIT, 32, 1), 16)
    assert len(prunable_weights(vit)) == 1 + 4 * VIT.depth
    assert all(weight is vit.get_parameter(name) for name, weight in prunable_weights(vit).items())


def test_depth_goes_through_a_resnet_stage_by_stage() -> None:
    """The first 11, 24 and 43 of a ResNet-50's 53 convolutions are its stem with one, two and three stages."""
    with torch.device("meta"):
        method = method_of(timm.create_model("resnet50", num_classes=0), 2048)
    assert len(Mask.dense(method).live) == 53
    for layers, stages in (
        (1, set()),
        (11, {"layer1"}),
        (24, {"layer1", "layer2"}),
        (43, {"layer1", "layer2", "layer3"}),
    ):
        names = list(Mask.dense(method, LayerDepth(layers=layers)).live)
        assert len(names) == layers
        assert {name.split(".")[1] for name in names} == {"conv1"} | stages


def test_a_network_without_such_layers_is_refused() -> None:
    """There is nothing to prune, and the user hears it."""
    with pytest.raises(InputError, match="neither convolutions nor linear layers"):
        prunable_weights(method_of(nn.Flatten(), 9))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
@pytest.mark.parametrize("count", [0, 1, 40, 89, 90])
def test_exactly_the_highest_scores_are_kept(count: int, levels: int, seed: int) -> None:
    """As many as asked for, the highest over all tensors; of equals the first: as sorting a list by hand gives."""
    scores = random_scores(levels, seed)
    listed = [(-value, name, index) for name in SHAPES for index, value in enumerate(scores[name].flatten().tolist())]
    places = sorted(listed, key=lambda place: (place[0], list(SHAPES).index(place[1]), place[2]))[:count]
    mask = keep_highest(scores, dense(), count)
    live = {(name, index) for name in SHAPES for index in mask.live[name].flatten().nonzero().flatten().tolist()}
    assert live == {(name, index) for _, name, index in places}
    assert mask.count == count
    assert mask.density == count / 90


def test_pruned_weights_never_come_back() -> None:
    """Whatever their scores say: signed scores rank a 0 above live weights."""
    first = keep_highest(random_scores(9, 0), dense(), 50)
    scores = {name: torch.where(live, -1.0, 5.0) for name, live in first.live.items()}
    second = keep_highest(scores, first, 20)
    assert second.count == 20
    assert all(not (second.live[name] & ~first.live[name]).any() for name in SHAPES)
    with pytest.raises(ValueError, match="cannot keep 51 of 50"):
        keep_highest(scores, first, 51)


def test_scores_that_are_no_numbers_are_refused() -> None:
    """Of live weights; what a formula gives for pruned ones does not matter."""
    first = keep_highest(random_scores(90, 0), dense(), 80)
    scores = {name: torch.where(live, 1.0, torch.nan) for name, live in first.live.items()}
    assert keep_highest(scores, first, 10).count == 10
    scores["two"] = torch.where(first.live["two"], torch.inf, 0.0)
    with pytest.raises(ScoresNotFinite):
        keep_highest(scores, first, 10)


def test_memory_layout_does_not_matter() -> None:
    """Scores laid out channels-last give the same mask: places are logical ones."""
    scores = random_scores(1000, 3)
    laid_out = scores | {"one": scores["one"].to(memory_format=torch.channels_last)}
    assert keep_highest(laid_out, dense(), 30).digest == keep_highest(scores, dense(), 30).digest


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (9,), (3, 5, 2), (16, 4)])
def test_bits_are_packed_as_numpy_packs_them(shape: tuple[int, ...]) -> None:
    """One bit a weight, in numpy's order, and back."""
    bits = torch.rand(shape) < 0.5
    assert packed(bits).numpy().tobytes() == np.packbits(bits.numpy().reshape(-1)).tobytes()
    assert torch.equal(unpacked(packed(bits), bits.shape), bits)


def test_file_gives_the_mask_back(tmp_path: Path) -> None:
    """Mask and header are what was saved, in an eighth of a byte a weight beside a header."""
    mask = keep_highest(random_scores(50, 1), dense(), 33)
    save_mask(tmp_path / "mask.safetensors", mask, {"levels": [1, 2]})
    loaded = load_mask(tmp_path / "mask.safetensors")
    assert loaded is not None
    assert loaded[1] == {"levels": [1, 2]}
    assert list(loaded[0].live) == list(SHAPES)
    assert loaded[0].digest == mask.digest
    large = dense({"large": (1000, 1000)})
    save_mask(tmp_path / "large.safetensors", large, {})
    assert (tmp_path / "large.safetensors").stat().st_size < 125_000 + 1000


@pytest.mark.parametrize("edit", ["cut", "empty", "shape", "name", "no shapes"])
def test_file_that_is_not_whole_is_no_mask(edit: str, tmp_path: Path) -> None:
    """A mask that does not fit its header is made again, not guessed at."""
    path = tmp_path / "mask.safetensors"
    save_mask(path, dense(), {})
    data = path.read_bytes()
    match edit:
        case "cut":
            path.write_bytes(data[:-1])
        case "empty":
            path.write_bytes(b"")
        case "shape":
            path.write_bytes(data.replace(b"[5, 7]", b"[9, 7]"))
        case "name":
            path.write_bytes(data.replace(b'\\"two\\": [', b'\\"twp\\": ['))
        case "no shapes":
            path.write_bytes(data.replace(b"shapes", b"shaped"))
    assert path.read_bytes() != data
    assert load_mask(path) is None


def test_digest_names_the_mask() -> None:
    """One weight more or less, or in another place, is another mask."""
    masks = [dense(), keep_highest(random_scores(9, 0), dense(), 89)]
    for place in range(35):
        live = {name: kept.clone() for name, kept in dense().live.items()}
        live["two"].view(-1)[place] = False
        masks.append(Mask(live))
    assert len({mask.digest for mask in masks[:1] + masks[2:]}) == 36
    assert masks[0].digest == dense().digest


def test_density_counts_prunable_weights_alone() -> None:
    """Biases, norms and classifier are in no count; a layer that lost all weights is."""
    method = method_of(build_backbone(RESNET, 32, 1), 16)
    mask = Mask.dense(method)
    assert mask.weights == sum(w.numel() for name, w in method.named_parameters() if name.endswith("conv.weight"))
    first = next(iter(mask.live))
    sparse = Mask(dict(mask.live) | {first: torch.zeros_like(mask.live[first])})
    assert sparse.empty_layers == 1
    assert sparse.count == mask.weights - mask.live[first].numel()
    sparse.apply(method)
    assert not method.get_parameter(first).any()
    assert all(weight.all() for name, weight in prunable_weights(method).items() if name != first)
