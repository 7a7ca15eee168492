"""DINO's loss, centre, teacher and frozen prototypes do what the paper's equations and the original code say."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from lightning.fabric import Fabric
from tiny_training import ADAMW, GREY, VIT, dino_spec, random_images, random_views, train_spec
from torch import Tensor, nn

from dlth_bench.training.loop import train
from dlth_bench.training.methods.dino import DINO
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.optimizers import weight_decay
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_stage import Checkpoints

Array = npt.NDArray[np.float64]
BATCH, LOCAL = 3, 2


def _dino(drop_path: float = 0.0, **changes: object) -> DINO:
    torch.manual_seed(1)
    vit = VIT.model_copy(update={"drop_path": drop_path})
    spec = dino_spec(local_crops=LOCAL, **changes)
    return DINO(spec, build_backbone(vit, 32, 1), vit.dim, GREY).train()


def _apart(method: DINO) -> DINO:
    """A student moved away from its teacher, and a centre away from zero."""
    with torch.no_grad():
        for parameter in [*method.student.parameters(), *method.student_head.parameters()]:
            parameter.add_(0.2 * torch.randn_like(parameter))
        method.loss.center.normal_(std=0.1)
    return method


def _softmax(x: Array) -> Array:
    exponents = np.exp(x - x.max())
    return exponents / exponents.sum()


def _expected_loss(teacher: Array, student: Array, centre: Array, temperatures: tuple[float, float]) -> float:
    """Equations 1 and 3 of the paper in plain loops.

    ``teacher`` (2, batch, prototypes), ``student`` (crops, batch, prototypes), global crops first; ``temperatures``
    of teacher and student.
    """
    terms = []
    for t, teacher_view in enumerate(teacher):
        for s, student_view in enumerate(student):
            if s == t:
                continue
            for target, logits in zip(teacher_view, student_view, strict=True):
                p_teacher = _softmax((target - centre) / temperatures[0])
                p_student = _softmax(logits / temperatures[1])
                terms.append(-(p_teacher * np.log(p_student)).sum())
    return float(np.mean(terms))


@pytest.mark.parametrize("seed", range(30))
def test_loss_and_centre_equal_the_paper_s_equations(seed: int) -> None:
    """On random logits, crops and temperatures, the loss and the moved centre equal those of plain loops."""
    numbers = np.random.default_rng(seed)
    local, batch, temperature = numbers.integers(0, 5), numbers.integers(1, 6), numbers.uniform(0.04, 0.1)
    method = _dino(center_momentum=0.8)
    centre, teacher = numbers.normal(size=12), numbers.normal(size=(2, batch, 12))
    student = numbers.normal(size=(2 + local, batch, 12))
    method.loss.center.copy_(torch.from_numpy(centre))
    loss = method.loss(
        list(torch.from_numpy(teacher).float()), list(torch.from_numpy(student).float()), teacher_temp=temperature
    )
    assert loss.item() == pytest.approx(_expected_loss(teacher, student, centre, (temperature, 0.1)), rel=2e-5)
    method._move_center(torch.from_numpy(teacher).float().mean((0, 1)))
    moved = 0.8 * centre + 0.2 * teacher.reshape(-1, 12).mean(0)
    np.testing.assert_allclose(method.loss.center.flatten().numpy(), moved, atol=1e-6)


def _logits(backbone: nn.Module, head: nn.Module, view: Tensor) -> Array:
    """A projection of one crop: MLP, unit length, weight-normalised prototypes."""
    hidden = head.layers(backbone(view))
    hidden = hidden / hidden.norm(dim=1, keepdim=True)
    directions = head.last_layer.weight_v / head.last_layer.weight_v.norm(dim=1, keepdim=True)
    logits: Array = (hidden @ (head.last_layer.weight_g * directions).T).detach().double().numpy()
    return logits


@pytest.mark.parametrize("step", [0, 3, 7, 20])
def test_forward_pairs_each_crop_with_its_sample(step: int) -> None:
    """The method's loss on 2 global and n local crops equals the loops' on crops that are embedded one by one."""
    method = _apart(_dino())
    views = (
        random_views(BATCH, seed=1),
        random_views(BATCH, seed=2),
        random_views(LOCAL * BATCH, seed=3, size=16),  # crop c of sample b is row c * batch + b
    )
    crops = [*views[:2], views[2][:BATCH], views[2][BATCH:]]
    teacher = np.stack([_logits(method.encoder, method.teacher_head, view) for view in views[:2]])
    student = np.stack([_logits(method.student, method.student_head, crop) for crop in crops])
    centre = method.loss.center.flatten().double().numpy().copy()
    temperature = 0.04 + 0.03 * min(1.0, step / 20 / 0.5)
    loss = method(views, torch.zeros(BATCH, dtype=torch.long), Moment(step, 21))
    assert loss.item() == pytest.approx(_expected_loss(teacher, student, centre, (temperature, 0.1)), rel=1e-4)


def test_views_are_two_large_ones_and_the_small_ones_of_each_sample() -> None:
    """Local crop c of sample b is row c * batch + b, at the local size; global crops keep the image's."""
    still = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0)}
    spec = dino_spec()
    view = spec.global_views[0].model_copy(update=still | {"flip": 0.0, "jitter": 0.0, "blur": 0.0, "solarize": 0.0})
    method = _dino(global_views=(view, view), local_view=view.model_copy(update={"size": 16}))
    first, second, local = method.views(random_images(BATCH), torch.Generator().manual_seed(0))
    assert first.shape == second.shape == (BATCH, 1, 32, 32)
    assert local.shape == (LOCAL * BATCH, 1, 16, 16)
    torch.testing.assert_close(local[:BATCH], local[BATCH:])  # unaugmented crops of the same samples, in order
    small = nn.functional.interpolate(first, 16, mode="bilinear", antialias=True)
    torch.testing.assert_close(local[:BATCH], small, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("step", "temperature"), [(0, 0.04), (10, 0.05), (20, 0.06), (30, 0.07), (31, 0.07), (100, 0.07)]
)
def test_teacher_temperature_warms_up_linearly(step: int, temperature: float) -> None:
    """From its start to its end in the warm-up's fraction of training, then constant."""
    method = _dino(warmup_teacher=0.3)
    assert method._temperature(Moment(step, 101)) == pytest.approx(temperature)


def test_no_warm_up_means_the_final_temperature_at_once() -> None:
    """With a warm-up of no length, no division by zero and no start temperature."""
    assert _dino(warmup_teacher=0.0)._temperature(Moment(0, 10)) == 0.07


@pytest.mark.parametrize("step", [0, 1, 5, 9, 10])
def test_teacher_is_a_moving_average_with_a_cosine_momentum(step: int) -> None:
    """teacher <- m teacher + (1 - m) student with m from .9 along a cosine to exactly 1 at the last step."""
    method = _apart(_dino(momentum=0.9))
    teacher = [*method.encoder.parameters(), *method.teacher_head.parameters()]
    student = [*method.student.parameters(), *method.student_head.parameters()]
    before = [parameter.clone() for parameter in teacher]
    method.after_step(Moment(step, 11))
    momentum = 1 - 0.1 * (1 + math.cos(math.pi * step / 10)) / 2
    for new, old, target in zip(teacher, before, student, strict=True):
        if step == 10:
            assert torch.equal(new, old)
        torch.testing.assert_close(new, momentum * old + (1 - momentum) * target, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("steps", "momentum"), [(100, 0.9), (1000, 0.99), (5, 0.0)])
def test_a_horizon_sets_the_momentum_by_the_length_of_training(steps: int, momentum: float) -> None:
    """A tenth of 100 steps is an average over 10 of them, momentum .9; of 1000 steps, .99; never below 0."""
    method = _apart(_dino(teacher_horizon=0.1))
    teacher, student = next(method.encoder.parameters()), next(method.student.parameters())
    before = teacher.clone()
    method.after_step(Moment(0, steps))
    torch.testing.assert_close(teacher, momentum * before + (1 - momentum) * student, atol=1e-6, rtol=1e-5)


def test_teacher_starts_as_the_student() -> None:
    """Both start from equal, unshared weights, prototypes included."""
    method = _dino()
    for student, teacher in (
        *zip(method.student.parameters(), method.encoder.parameters(), strict=True),
        *zip(method.student_head.parameters(), method.teacher_head.parameters(), strict=True),
    ):
        assert torch.equal(student, teacher)
        assert student is not teacher


def test_prototypes_stay_fixed_for_the_first_fraction() -> None:
    """In the frozen fraction of training neither gradient nor weight decay moves the prototypes; after it they move."""
    method = _dino(freeze_last_layer=0.5)
    prototypes = [method.student_head.last_layer.weight_v.detach().clone()]
    hidden = [method.student_head.layers[0].weight.detach().clone()]
    update_teacher = method.after_step

    def after_step(moment: Moment) -> None:
        update_teacher(moment)
        prototypes.append(method.student_head.last_layer.weight_v.detach().clone())
        hidden.append(method.student_head.layers[0].weight.detach().clone())

    method.after_step = after_step  # type: ignore[method-assign]
    optimizer = ADAMW.model_copy(update={"warmup": 0.0})
    stage = Stage("pretrain", method, random_images(8), torch.zeros(8, dtype=torch.long), train_spec(optimizer, 6), 0)
    train(stage, Fabric(accelerator="cpu", devices=1), Checkpoints())
    moved = [not torch.equal(old, new) for old, new in pairwise(prototypes)]
    assert moved == [False, False, False, True, True, True]  # fractions 0, .2, .4, then .6, .8, 1
    assert all(not torch.equal(old, new) for old, new in pairwise(hidden))


@pytest.mark.parametrize("fixed", [True, False])
def test_norm_last_layer_fixes_the_prototypes_lengths(fixed: bool) -> None:
    """With norm_last_layer all prototypes keep length one; without it their lengths are trained."""
    method = _dino(norm_last_layer=fixed)
    assert method.student_head.last_layer.weight_g.requires_grad is not fixed
    torch.testing.assert_close(method.student_head.last_layer.weight_g, torch.ones(12, 1))


def test_teacher_has_no_drop_path_and_no_gradient() -> None:
    """Stochastic depth is the student's alone, and the loss's gradient stops at the teacher."""
    method = _dino(drop_path=0.5)
    view = random_views(8)
    torch.testing.assert_close(method.encoder(view), method.encoder(view), atol=0, rtol=0)
    assert not torch.allclose(method.student(view), method.student(view))
    views = random_views(BATCH), random_views(BATCH, seed=2), random_views(LOCAL * BATCH, seed=3, size=16)
    method(views, torch.zeros(BATCH, dtype=torch.long), Moment(5, 10)).backward()
    teacher = [*method.encoder.parameters(), *method.teacher_head.parameters()]
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in teacher)
    assert method.student_head.last_layer.weight_v.grad.abs().sum() > 0
    assert method.student.patch_embed.proj.weight.grad.abs().sum() > 0


def test_centre_and_networks_survive_a_checkpoint() -> None:
    """The state dict restores the centre, the teacher and the student, weight normalisation included."""
    method, other = _apart(_dino()), _dino()
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.loss.center, method.loss.center)
    view = random_views(4)
    assert torch.equal(method.teacher_head(method.encoder(view)), other.teacher_head(other.encoder(view)))
    assert torch.equal(method.student_head(method.student(view)), other.student_head(other.student(view)))


@pytest.mark.parametrize(
    ("step", "decay"), [(0, 0.04), (25, 0.04 + 0.36 * (1 - math.sqrt(0.5)) / 2), (50, 0.22), (100, 0.4)]
)
def test_weight_decay_rises_along_a_cosine(step: int, decay: float) -> None:
    """Weight decay goes from .04 to .4 along half a cosine, as in the original schedule."""
    spec = ADAMW.model_copy(update={"weight_decay": 0.04, "weight_decay_end": 0.4})
    assert weight_decay(spec, Moment(step, 100)) == pytest.approx(decay)


def test_a_batch_normalised_head_spreads_what_the_backbone_hardly_tells_apart() -> None:
    """Features that differ by a thousandth give nearly equal logits without batch norm and distinct ones with it."""
    features = torch.ones(16, VIT.dim) + 1e-3 * torch.randn(16, VIT.dim, generator=torch.Generator().manual_seed(0))

    def spread(batch_norm: bool) -> float:
        logits = _dino(head_batch_norm=batch_norm).student_head(features).detach()
        return float((logits.std(dim=0) / logits.abs().mean()).mean())

    assert spread(False) < 0.01
    assert spread(True) > 0.1


def test_a_batch_normalised_head_normalises_all_crops_of_a_network_together() -> None:
    """As in the original code: one call of the head takes all crops, so their statistics are common."""
    method = _apart(_dino(head_batch_norm=True, freeze_last_layer=0.0))
    seen: list[int] = []
    for head in (method.student_head, method.teacher_head):
        norms = [module for module in head.modules() if isinstance(module, nn.BatchNorm1d)]
        assert len(norms) == 2
        norms[0].register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    views = random_views(BATCH), random_views(BATCH, seed=2), random_views(LOCAL * BATCH, seed=3, size=16)
    method(views, torch.zeros(BATCH, dtype=torch.long), Moment(0, 10))
    assert seen == [2 * BATCH, (2 + LOCAL) * BATCH]
