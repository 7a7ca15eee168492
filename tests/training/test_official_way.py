"""The official way of `tests/speed/official_way.py` and our step train the same, so that their speeds compare."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import official_networks as official
import pytest
import torch
from gpu_use import covered
from imagenet_jpegs import write_jpegs
from official_way import Official
from tiny_official import BATCH, LOCAL_SIDE, SIDE, SIZES, tiny
from torch import Tensor, nn

from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.dino import DINO
from dlth_bench.training.methods.mae import MAE
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.methods.moco import MoCo
from dlth_bench.training.optimizers import build_optimizer, clip_each_gradient, set_rates
from dlth_bench.training.views.augment import Pixels

SPEED = Path(__file__).parents[1] / "speed"
IMAGENET = find_protocol("imagenet-ssl@1")
STEPS, TOTAL = 3, 12


def _config(name: str) -> Config:
    """Small, with batch norm over the whole batch as on one GPU, and with all phases of training in a few steps."""
    config = tiny(IMAGENET.config(name))
    one_norm = {"batch_norm_groups": None} if config.method.kind == "moco" else {}
    early = {"warmup_teacher": 0.5, "freeze_last_layer": 0.1} if config.method.kind == "dino" else {}
    method = config.method.model_copy(update=one_norm | early)
    # With the usual eps, AdamW's first updates are the signs of gradients, also of those that are rounding alone.
    optimizer = config.train.optimizer.model_copy(update={"eps": 1e-3})
    train = config.train.model_copy(update={"optimizer": optimizer})
    return config.model_copy(update={"method": method, "train": train})


def _pixels(config: Config) -> Pixels:
    return Pixels(SIDE, IMAGENET.data.pixel_mean, IMAGENET.data.pixel_std, config.eval_view)


def _same(ours: nn.Module, theirs: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Parameters of two networks in their order, which is the same."""
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    assert all(a.shape == b.shape for a, b in pairs)
    return pairs


def _pairs(ours: Method, theirs: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Parameters of ours and of theirs that are the same things."""
    if isinstance(ours, MoCo) and isinstance(theirs, official.MoCo):
        sides = ((ours.encoder, ours.head, theirs.query), (ours.key_encoder, ours.key_head, theirs.key))
        return [pair for encoder, head, side in sides for pair in _same(nn.ModuleList([encoder, head]), side)]
    if isinstance(ours, DINO) and isinstance(theirs, official.DINO):
        parts = [(ours.student, theirs.student), (ours.student_head, theirs.student_head)]
        parts += [(ours.encoder, theirs.teacher), (ours.teacher_head, theirs.teacher_head)]
    elif isinstance(ours, MAE) and isinstance(theirs, official.MAE):
        parts = [(ours.encoder, theirs.encoder), (ours.embed, theirs.embed), (ours.predict, theirs.predict)]
        parts += [(ours.decoder.blocks, theirs.blocks), (ours.decoder.norm, theirs.norm)]
        tokens = (ours.decoder.mask_token, theirs.mask_token), (ours.decoder.pos_embed, theirs.positions)
        return [*tokens, *(pair for part in parts for pair in _same(*part))]
    else:
        raise TypeError(type(ours))
    return [pair for part in parts for pair in _same(*part)]


def _both(name: str) -> tuple[Config, Method, Official]:
    config = _config(name)
    ours = build_method(config, pixels=_pixels(config), classes=2).train()
    theirs = Official(config, _pixels(config), torch.device("cpu"), TOTAL)
    with torch.no_grad():
        for mine, other in _pairs(ours, theirs.network):
            other.copy_(mine)
        if isinstance(ours, MoCo):
            theirs.network.queue.copy_(ours.queue.T)
    return config, ours, theirs


def _views(config: Config, step: int) -> list[Tensor]:
    """Noise of the views' sizes, in the order in which the official way has them."""
    generator = torch.Generator().manual_seed(step)
    sides = {"moco": [SIDE] * 2, "dino": [SIDE] * 2 + [LOCAL_SIDE] * 10, "mae": [SIDE]}[config.method.kind]
    return [torch.randn(BATCH, 3, side, side, generator=generator) for side in sides]


def _as_ours(views: list[Tensor]) -> tuple[Tensor, ...]:
    return (*views[:2], torch.cat(views[2:])) if len(views) > 2 else tuple(views)


def _our_update(
    method: Method, views: list[Tensor], config: Config, optimizer: torch.optim.Optimizer, step: int
) -> float:
    """What the loop does in a step (`training.loop`)."""
    spec, moment = config.train.optimizer, Moment(step, TOTAL)
    optimizer.zero_grad()
    loss = method(_as_ours(views), torch.zeros(BATCH, dtype=torch.long), moment)
    loss.backward()
    method.before_step(moment)
    if spec.clip_grad is not None:
        clip_each_gradient(method.parameters(), spec.clip_grad)
    set_rates(spec, optimizer, moment)
    optimizer.step()
    method.after_step(moment)
    return loss.item()


@pytest.mark.parametrize("name", ["moco-v2_r50_200ep", "moco-v1_r50_200ep", "dino_vit-s16_800ep", "dino_vit-b16_400ep"])
def test_moco_and_dino_train_alike(name: str) -> None:
    """From the same weights and on the same views, losses of three updates and all weights after them are equal."""
    config, ours, theirs = _both(name)
    optimizer = build_optimizer(config.train.optimizer, ours)
    for step in range(STEPS):
        views = _views(config, step)
        loss = _our_update(ours, views, config, optimizer, step)
        assert theirs.update(views) == pytest.approx(loss, rel=1e-4)
    for mine, other in _pairs(ours, theirs.network):
        torch.testing.assert_close(mine, other, atol=2e-4, rtol=1e-3)
    if isinstance(ours, MoCo):
        torch.testing.assert_close(ours.queue, theirs.network.queue.T, atol=1e-4, rtol=1e-3)
    else:
        torch.testing.assert_close(ours.loss.center.flatten(), theirs.network.center.flatten(), atol=1e-6, rtol=1e-3)


def test_mae_s_losses_are_equal() -> None:
    """With the same patches hidden; ours predicts those alone, the official way all, and weighs the others with 0."""
    config, ours, theirs = _both("mae_vit-b16_800ep_linear")
    views = _views(config, 0)
    torch.manual_seed(5)
    noise = torch.rand(BATCH, (SIDE // 8) ** 2 + 1)  # as ours draws it, with one for the class token
    torch.manual_seed(5)
    loss = ours(tuple(views), torch.zeros(BATCH, dtype=torch.long), Moment(0, TOTAL))
    other = theirs.network(views, Moment(0, TOTAL), noise=noise[:, 1:])
    torch.testing.assert_close(loss, other)
    loss.backward()
    other.backward()
    for mine, their in _pairs(ours, theirs.network):
        if mine.requires_grad:
            assert mine.grad is not None
            assert their.grad is not None
            torch.testing.assert_close(mine.grad, their.grad, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("name", ["moco-v2_r50_200ep", "dino_vit-s16_800ep", "mae_vit-b16_800ep_linear"])
def test_batches_from_files_are_the_views_of_as_many_images(name: str, tmp_path: Path) -> None:
    """A DataLoader's batch has as many views of as many images, and of the same sizes, as ours."""
    config = _config(name)
    write_jpegs(tmp_path, ["n01440764"], 3, SIZES)
    way = Official(config, _pixels(config), torch.device("cpu"), TOTAL)
    found = list(way.batches(sorted((tmp_path / "train").rglob("*.JPEG")), 2, workers=0))
    method = build_method(config, pixels=_pixels(config), classes=2)
    images = torch.zeros(BATCH, 3, SIDE, SIDE, dtype=torch.uint8)
    ours = method.views(images, torch.Generator().manual_seed(0))
    assert len(found) == 2
    for views in found:
        assert [tuple(view.shape) for view in _as_ours(views)] == [tuple(view.shape) for view in ours]
    assert all(view.isfinite().all() and view.abs().max() > 0.1 for views in found for view in views)


def test_overlapping_kernels_count_once() -> None:
    """Time in which the GPU is busy is the union of its kernels' times, however they are sorted."""
    assert covered([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.8), (6.0, 7.0)]) == 5.0
    assert covered([]) == 0.0


@pytest.mark.slow
def test_the_script_measures_every_way_of_every_config(tmp_path: Path) -> None:
    """On a CPU, small: all three configs, each from the official way to the bare networks, with the ratios' parts."""
    figures = tmp_path / "figures.json"
    few = ("--classes", "2", "--images-per-class", "8", "--steps", "2", "--workers", "1")
    command = [sys.executable, str(SPEED / "against_official_way.py"), "--device", "cpu", "--tiny", *few]
    subprocess.run([*command, "--json", str(figures)], check=True, capture_output=True)
    found = json.loads(figures.read_text())
    assert [each["config"] for each in found] == [
        "dino_vit-s16_800ep",
        "mae_vit-b16_800ep_linear",
        "moco-v2_r50_200ep",
    ]
    for each in found:
        ways = {row["way"].partition(",")[0]: row["images_per_second"] for row in each["rows"]}
        assert list(ways) == ["official", "ours", "bare networks"]
        assert all(row["images_per_second"] > 0 for row in each["rows"])
        assert each["flops_an_image"] > 0
        rates = {row["way"]: row["images_per_second"] for row in each["rows"]}
        assert rates["ours, JPEG, 1 epoch"] < rates["ours, cache in files"]
