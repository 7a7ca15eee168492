"""Schedules, parameter groups, clipping and optimizer steps equal closed forms and hand-written updates."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tiny_training import ADAMW, GREY, IDENTITY, SGD, VIT, mae_spec, train_spec
from torch import Tensor, nn
from torch.optim import Optimizer

from dlth_bench.protocols.methods import FinetuneSpec
from dlth_bench.protocols.recipe import OptimizerSpec
from dlth_bench.training.cpu_speed.optimizers import CPUFusedAdamW, CPUFusedSGD
from dlth_bench.training.evaluation import finetune_method
from dlth_bench.training.methods.mae import MAE
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.optimizers import (
    build_optimizer,
    clip_each_gradient,
    learning_rate,
    parameter_groups,
    set_rates,
    weight_decay,
)

Gradients = Sequence[tuple[Tensor, ...]]


def _spec(**values: object) -> OptimizerSpec:
    return OptimizerSpec(**({"kind": "sgd", "lr": 0.1} | values))


# --- schedules ----------------------------------------------------------------------------------------------


def test_warm_up_is_linear_from_zero() -> None:
    """In the warm-up's fraction the rate grows by equal steps from 0, and reaches the peak at its end."""
    spec = _spec(warmup=0.25)
    rates = [learning_rate(spec, Moment(step, 40)) for step in range(11)]
    assert rates == pytest.approx([0.01 * step for step in range(11)])


def test_warm_up_may_start_above_zero() -> None:
    """solo-learn's warm-up: 10 of 1000 epochs in equal steps from 3e-5 to the peak."""
    spec = _spec(lr=0.3, warmup=0.01, warmup_start=3e-5)
    rates = [learning_rate(spec, Moment(step, 1000)) for step in range(11)]
    assert rates == pytest.approx([3e-5 + (0.3 - 3e-5) * step / 10 for step in range(11)])


def test_cosine_starts_at_the_peak_and_ends_at_the_minimum() -> None:
    """After the warm-up: half a cosine over the remaining steps, as in MAE's and DINO's code."""
    spec = _spec(warmup=0.2, min_lr=0.004)
    for step in range(20, 100):
        expected = 0.004 + 0.096 * (1 + math.cos(math.pi * (step - 20) / 80)) / 2
        assert learning_rate(spec, Moment(step, 100)) == pytest.approx(expected)
    assert learning_rate(spec, Moment(60, 100)) == pytest.approx(0.052)
    assert learning_rate(spec, Moment(100, 100)) == pytest.approx(0.004)


def test_step_schedule_drops_at_its_milestones() -> None:
    """MoCo v1's schedule: a factor .1 at 120 and 160 of 200 epochs, on the very step."""
    spec = _spec(schedule="step", milestones=(0.6, 0.8))
    rates = {step: learning_rate(spec, Moment(step, 200)) for step in (0, 119, 120, 159, 160, 199)}
    assert rates == pytest.approx({0: 0.1, 119: 0.1, 120: 0.01, 159: 0.01, 160: 0.001, 199: 0.001})


def test_exponential_schedule_drops_at_exact_steps() -> None:
    """By gamma every two of six epochs of 7 steps, on the very step, however the fractions round."""
    spec = _spec(schedule="exponential", stretches=3, gamma=0.5)
    rates = [learning_rate(spec, Moment(step, 42, 7)) for step in range(42)]
    assert rates == pytest.approx([0.1] * 14 + [0.05] * 14 + [0.025] * 14)


def test_per_epoch_schedules_move_at_the_start_of_an_epoch() -> None:
    """Warm-up from its start and cosine are then stairs of one epoch each."""
    spec = _spec(warmup=0.25, warmup_start=0.02, per_epoch=True)
    rates = [learning_rate(spec, Moment(step, 24, 3)) for step in range(24)]
    stairs = [0.02, 0.06, *(0.05 * (1 + math.cos(math.pi * epoch / 6)) for epoch in range(6))]
    assert rates == pytest.approx([stairs[step // 3] for step in range(24)])


def test_constant_schedule_and_constant_decay() -> None:
    """Without a schedule nothing moves."""
    spec = _spec(schedule="constant", weight_decay=0.02)
    assert {learning_rate(spec, Moment(step, 9)) for step in range(9)} == {0.1}
    assert {weight_decay(spec, Moment(step, 9)) for step in range(9)} == {0.02}


def test_a_single_step_and_a_warm_up_of_everything_have_rates() -> None:
    """The shortest training and the longest warm-up divide by nothing."""
    assert learning_rate(_spec(), Moment(0, 1)) == 0.1
    assert learning_rate(_spec(warmup=1.0), Moment(4, 5)) == pytest.approx(0.08)


# --- parameter groups ---------------------------------------------------------------------------------------


def _by_name(spec: OptimizerSpec, module: nn.Module) -> dict[str, tuple[bool, float]]:
    """Whether each trained parameter decays, and its factor on the learning rate."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    groups = parameter_groups(spec, module)
    found = [(names[id(p)], (group["decays"], group["lr_scale"])) for group in groups for p in group["params"]]
    assert len(found) == len(dict(found))  # no parameter twice
    return dict(found)


def test_norms_and_biases_do_not_decay() -> None:
    """1-D parameters are free of weight decay unless the spec says so; every trained parameter is in one group."""
    method = MAE(mae_spec(), build_backbone(VIT, 32, 1), VIT, GREY)
    groups = _by_name(ADAMW, method)
    trained = {name: parameter for name, parameter in method.named_parameters() if parameter.requires_grad}
    assert groups == {name: (parameter.ndim > 1, 1.0) for name, parameter in trained.items()}
    assert {decays for decays, _ in groups.values()} == {True, False}
    everything = _by_name(ADAMW.model_copy(update={"decay_norm_and_bias": True}), method)
    assert everything == dict.fromkeys(trained, (True, 1.0))


def _finetuned() -> nn.Module:
    spec = FinetuneSpec(kind="finetune", augment=IDENTITY, train=train_spec(ADAMW))
    return finetune_method(spec, build_backbone(VIT, 32, 1), 3, GREY)


def test_layer_decay_follows_mae() -> None:
    """With 4 blocks, the embedding's rate has factor decay^5, block i's decay^(4 - i), norm and head's 1."""
    scales = {
        name: scale
        for name, (_, scale) in _by_name(ADAMW.model_copy(update={"layer_decay": 0.5}), _finetuned()).items()
    }
    for name, scale in scales.items():
        if name.startswith(("encoder.encoder.patch_embed", "encoder.encoder.cls_token")):
            expected = 0.5**5
        elif name.startswith("encoder.encoder.blocks."):
            expected = 0.5 ** (4 - int(name.split(".")[3]))
        else:
            assert name.startswith(("head.norm", "head.head"))
            expected = 1.0
        assert scale == expected, name
    assert set(scales.values()) == {1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125}
    assert "encoder.encoder.pos_embed" not in scales


def test_rates_reach_every_group() -> None:
    """Each group gets the step's rate times its factor, and the step's decay only where it decays."""
    spec = ADAMW.model_copy(update={"layer_decay": 0.5, "weight_decay_end": 0.4, "warmup": 0.0})
    optimizer = build_optimizer(spec, _finetuned())
    set_rates(spec, optimizer, Moment(5, 10))
    assert len(optimizer.param_groups) == 12  # 6 layers, decaying or not
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(0.5e-3 * group["lr_scale"])
        assert group["weight_decay"] == (pytest.approx(0.225) if group["decays"] else 0.0)


# --- clipping -----------------------------------------------------------------------------------------------


def test_gradients_are_clipped_one_by_one() -> None:
    """A large gradient is cut to the bound and a small one stays, whatever their joint norm; as in DINO's code."""
    large, small, unused = (nn.Parameter(torch.zeros(3, 4)) for _ in range(3))
    large.grad, small.grad = torch.full((3, 4), 7.0), torch.full((3, 4), 0.05)
    clip_each_gradient([large, small, unused], 0.3)
    torch.testing.assert_close(large.grad, torch.full((3, 4), 0.3 / math.sqrt(12)))
    assert torch.equal(small.grad, torch.full((3, 4), 0.05))
    assert unused.grad is None
    clip_each_gradient([unused], 0.3)


# --- optimizer steps ----------------------------------------------------------------------------------------


class _Pair(nn.Module):
    """A weight and a bias with large and small values."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(5, 4, generator=generator))
        self.bias = nn.Parameter(torch.randn(5, generator=generator))


def _gradients(steps: int = 6) -> Gradients:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(5, 4, generator=generator), torch.randn(5, generator=generator)) for _ in range(steps)]


def _trained(optimizer: Optimizer, module: _Pair, gradients: Gradients) -> tuple[Tensor, Tensor]:
    for weight, bias in gradients:
        module.weight.grad, module.bias.grad = weight.clone(), bias.clone()
        optimizer.step()
    return module.weight.detach(), module.bias.detach()


def _ours(spec: OptimizerSpec, module: _Pair, gradients: Gradients) -> tuple[Tensor, Tensor]:
    optimizer = build_optimizer(spec, module)
    set_rates(spec, optimizer, Moment(0, 10))
    return _trained(optimizer, module, gradients)


def test_lars_is_mae_s() -> None:
    """Weights move by their trust ratio also without weight decay, biases by plain momentum SGD (MAE, MoCo v3)."""
    rate, momentum, trust = 2.0, 0.9, 0.001
    ours = _ours(OptimizerSpec(kind="lars", lr=rate, momentum=momentum), _Pair(), _gradients())
    module = _Pair()
    weight, bias = module.weight.detach(), module.bias.detach()
    speeds = torch.zeros(5, 4), torch.zeros(5)
    for towards, aside in _gradients():
        adapted = towards * trust * weight.norm() / towards.norm()
        speeds = momentum * speeds[0] + adapted, momentum * speeds[1] + aside
        weight, bias = weight - rate * speeds[0], bias - rate * speeds[1]
    torch.testing.assert_close(ours[0], weight, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours[1], bias, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.003, 2.0])
def test_lars_with_decay_and_clipping_is_solo_learn_s(rate: float) -> None:
    """Decay enters the trust ratio and the step; clipping bounds the ratio over the rate by 1, as at small rates.

    Biases neither decay nor adapt.
    """
    momentum, decay, trust = 0.9, 0.1, 0.02
    spec = OptimizerSpec(kind="lars", lr=rate, weight_decay=decay, trust_coefficient=trust, trust_clip=True)
    ours = _ours(spec, _Pair(), _gradients())
    module = _Pair()
    weight, bias = module.weight.detach(), module.bias.detach()
    speeds = torch.zeros(5, 4), torch.zeros(5)
    ratios = []
    for towards, aside in _gradients():
        ratio = trust * weight.norm() / (towards.norm() + decay * weight.norm()) / rate
        ratios.append(float(ratio))
        adapted = (towards + decay * weight) * ratio.clamp(max=1)
        speeds = momentum * speeds[0] + adapted, momentum * speeds[1] + aside
        weight, bias = weight - rate * speeds[0], bias - rate * speeds[1]
    assert all((ratio > 1) == (rate == 0.003) for ratio in ratios)  # one case clips, the other does not
    torch.testing.assert_close(ours[0], weight, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours[1], bias, atol=1e-6, rtol=1e-5)


def test_lars_may_scale_and_decay_biases_too() -> None:
    """With ``decay_norm_and_bias`` a bias moves as a weight does: SwAV's LARS in solo-learn."""
    spec = OptimizerSpec(kind="lars", lr=2.0, weight_decay=0.1, decay_norm_and_bias=True)
    ((weight, bias),) = _gradients(1)
    start = _Pair().bias.detach()
    _, moved = _ours(spec, _Pair(), [(weight, bias)])
    ratio = 0.001 * start.norm() / (bias.norm() + 0.1 * start.norm())
    torch.testing.assert_close(moved, start - 2.0 * ratio * (bias + 0.1 * start))


def test_lars_leaves_zero_weights_unscaled() -> None:
    """A weight of norm 0 has trust ratio 1: it can leave zero."""
    module = _Pair()
    nn.init.zeros_(module.weight)
    ((weight, bias),) = _gradients(1)
    moved, _ = _ours(OptimizerSpec(kind="lars", lr=0.5), module, [(weight, bias)])
    torch.testing.assert_close(moved, -0.5 * weight)


def test_sgd_is_torch_s_plain_sgd() -> None:
    """The fused step equals torch's loop over parameters; the bias does not decay."""
    ours = _ours(SGD.model_copy(update={"weight_decay": 0.1, "warmup": 0.0}), _Pair(), _gradients())
    module = _Pair()
    groups = [{"params": [module.weight], "weight_decay": 0.1}, {"params": [module.bias], "weight_decay": 0.0}]
    plain = torch.optim.SGD(groups, lr=SGD.lr, momentum=0.9, fused=False, foreach=False)
    for mine, expected in zip(ours, _trained(plain, module, _gradients()), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-5)


def test_sgd_takes_up_a_parameter_that_rested() -> None:
    """A parameter without gradient stays, without decay, and moves by plain momentum SGD from its first gradient."""
    module = _Pair()
    before = module.weight.detach().clone()
    optimizer = build_optimizer(SGD.model_copy(update={"decay_norm_and_bias": True, "warmup": 0.0}), module)
    set_rates(SGD, optimizer, Moment(0, 10))
    gradient = torch.ones(5, 4)
    module.weight.grad, module.bias.grad = None, torch.ones(5)
    optimizer.step()
    assert torch.equal(module.weight.detach(), before)
    module.weight.grad = gradient
    optimizer.step()
    torch.testing.assert_close(module.weight.detach(), before - SGD.lr * (gradient + SGD.weight_decay * before))


def test_adamw_is_torch_s_plain_adamw() -> None:
    """The fused step equals torch's loop with the spec's betas, eps 1e-8 and decoupled decay."""
    spec = OptimizerSpec(kind="adamw", lr=0.01, betas=(0.9, 0.95), weight_decay=0.3)
    ours = _ours(spec, _Pair(), _gradients())
    module = _Pair()
    groups = [{"params": [module.weight], "weight_decay": 0.3}, {"params": [module.bias], "weight_decay": 0.0}]
    plain = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-8, fused=False, foreach=False)
    for mine, expected in zip(ours, _trained(plain, module, _gradients()), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-5)


def _rested(optimizer: Optimizer, module: nn.Module, *, reload: bool = False) -> list[Tensor]:
    """Weights after steps in which the bias has gradients from the third to the fourth only."""
    for number, (towards, aside) in enumerate(_gradients(6)):
        if reload and number == 3:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        module.get_parameter("weight").grad = towards
        module.get_parameter("bias").grad = aside if number in {2, 3} else None
        optimizer.step()
    return [parameter.detach().clone() for parameter in module.parameters()]


@pytest.mark.parametrize("reload", [False, True])
def test_adamw_on_a_cpu_is_torch_s_fused_one_bit_for_bit(reload: bool) -> None:
    """Also where a parameter rests for some steps, as DINO's last layer does, and after a checkpoint."""
    settings: dict[str, Any] = {"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-8}
    mine, theirs = _Pair(), _Pair()
    ours = CPUFusedAdamW([{"params": list(mine.parameters()), "weight_decay": 0.3}], **settings)
    torchs = torch.optim.AdamW(theirs.parameters(), weight_decay=0.3, fused=True, **settings)
    for one, other in zip(_rested(ours, mine, reload=reload), _rested(torchs, theirs), strict=True):
        assert torch.equal(one, other)
    slots, expected = ours.state_dict()["state"], torchs.state_dict()["state"]
    assert {index: float(slot["step"]) for index, slot in slots.items()} == {0: 6.0, 1: 2.0}
    assert all(torch.equal(slots[index][name], value) for index in expected for name, value in expected[index].items())


@pytest.mark.parametrize("reload", [False, True])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_on_a_cpu_is_torch_s_fused_one_bit_for_bit(momentum: float, nesterov: bool, reload: bool) -> None:
    """Also where a parameter rests for some steps, as prototypes do at first, and after a checkpoint."""
    mine, theirs = _Pair(), _Pair()
    settings: dict[str, Any] = {"lr": 0.1, "momentum": momentum, "nesterov": nesterov}
    ours = CPUFusedSGD([{"params": list(mine.parameters()), "weight_decay": 0.3}], **settings)
    torchs = torch.optim.SGD(theirs.parameters(), weight_decay=0.3, fused=True, **settings)
    for parameter in theirs.parameters() if momentum else ():
        torchs.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    for one, other in zip(_rested(ours, mine, reload=reload), _rested(torchs, theirs), strict=True):
        assert torch.equal(one, other)


def test_nesterov_and_rmsprop_are_their_formulas() -> None:
    """Nesterov looks one step ahead of the momentum; RMSprop divides by the root of a running mean square."""
    ours = _ours(OptimizerSpec(kind="sgd", lr=0.1, momentum=0.8, nesterov=True), _Pair(), _gradients())
    rms = OptimizerSpec(kind="rmsprop", lr=0.1, momentum=0.8, alpha=0.9, eps=0.03)
    theirs = _ours(rms, _Pair(), _gradients())
    module = _Pair()
    weight, scaled = module.weight.detach(), module.weight.detach()
    speed, square, scaled_speed = (torch.zeros(5, 4) for _ in range(3))
    for gradient, _ in _gradients():
        speed = 0.8 * speed + gradient
        weight = weight - 0.1 * (gradient + 0.8 * speed)
        square = 0.9 * square + 0.1 * gradient**2
        scaled_speed = 0.8 * scaled_speed + gradient / (square.sqrt() + 0.03)
        scaled = scaled - 0.1 * scaled_speed
    torch.testing.assert_close(ours[0], weight, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(theirs[0], scaled, atol=1e-6, rtol=1e-5)
