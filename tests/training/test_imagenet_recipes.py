"""ImageNet's protocols are the published recipes: parameter counts, learning rates, decay and views.

Every expected value is typed from the official code or computed by an independent implementation of its formula
(facebookresearch/moco @ 7397dfe1, dino @ 7c446df5, mae @ efb2a806, pytorch/vision references/classification).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR, StepLR

from dlth_bench.protocols.methods import DINOSpec, FinetuneSpec, LinearSpec, MAESpec, MoCoSpec, SupervisedSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import AugmentSpec, OptimizerSpec, TrainSpec
from dlth_bench.training.facts import finetuned, recipe_facts, untrained
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.optimizers import learning_rate, parameter_groups, weight_decay
from dlth_bench.training.views.augment import Pixels

IMAGES, CLASSES = 1_281_167, 1000
SSL, SUPERVISED, SENSITIVITY = (find_protocol(f"imagenet-{name}") for name in ("ssl", "supervised", "sensitivity"))


def _pixels(config: Config) -> Pixels:
    return Pixels(0, SSL.data.pixel_mean, SSL.data.pixel_std, config.eval_view)


@cache
def _method(name: str) -> Method:
    """A config's networks without memory behind them."""
    protocol = SSL if name in [config.name for config in SSL.configs] else SUPERVISED
    config = protocol.config(name)
    return untrained(config, _pixels(config), CLASSES)


def _count(module: nn.Module, trained: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


# --- parameter counts ---------------------------------------------------------------------------------------

PUBLISHED = {  # torchvision's Weights.meta["num_params"]
    "resnet50": 25_557_032,
    "resnext50_32x4d": 25_028_904,
    "densenet121": 7_978_856,
    "mobilenet_v3_large": 5_483_032,
    "convnext_small": 50_223_688,
    "regnet_y_3_2gf": 19_436_338,
}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_supervised_networks_have_torchvision_s_size(name: str) -> None:
    """With a classifier of 1000 classes, each has as many parameters as torchvision says of its weights."""
    method = _method(name)
    assert _count(method.encoder) + _count(method.get_submodule("head")) == PUBLISHED[name]


def _block(width: int) -> int:
    """A transformer block: attention, an MLP four times as wide, two norms, biases everywhere."""
    return 12 * width**2 + 13 * width


def _vit(width: int) -> int:
    """ViT/16 at 224 px without classifier: patches, class token, 197 positions, 12 blocks and a norm."""
    return (16 * 16 * 3 + 1) * width + width + 197 * width + 12 * _block(width) + 2 * width


def test_backbones_have_their_published_size() -> None:
    """ResNet-50 without its classifier 23.5 M, ViT-S/16 21.7 M, ViT-B/16 85.8 M."""
    assert (_vit(384), _vit(768)) == (21_665_664, 85_798_656)
    expected = dict.fromkeys(("moco-v1_r50_200ep", "moco-v2_r50_800ep"), 25_557_032 - 2_049_000)
    expected |= {"dino_vit-s16_800ep": _vit(384), "dino_vit-b16_400ep": _vit(768)}
    expected |= {"mae_vit-b16_800ep_linear": _vit(768)}
    assert {name: _count(_method(name).encoder) for name in expected} == expected


def test_heads_and_decoder_have_the_originals_size() -> None:
    """MoCo's linear and MLP heads, DINO's head with and without a trained last norm, MAE's decoder."""
    v1, v2 = _method("moco-v1_r50_200ep"), _method("moco-v2_r50_200ep")
    assert _count(v1.get_submodule("head")) == 2048 * 128 + 128
    assert _count(v2.get_submodule("head")) == 2048 * 2048 + 2048 + 2048 * 128 + 128
    for name, width, norms in (("dino_vit-s16_800ep", 384, 65536), ("dino_vit-b16_400ep", 768, 0)):
        mlp = width * 2048 + 2048 + 2048 * 2048 + 2048 + 2048 * 256 + 256
        head = _method(name).get_submodule("student_head")
        assert _count(head, trained=True) == mlp + 65536 * 256 + norms
    decoder = 768 * 512 + 512 + 512 + 8 * _block(512) + 2 * 512 + 512 * 768 + 768
    unused = 768  # lightly's encoder has a mask token that MAE never uses
    expected = _vit(768) - 197 * 768 + decoder
    assert expected + (197 * 768 + 197 * 512) == 111_907_840  # the official model, positions included
    assert _count(_method("mae_vit-b16_800ep_linear"), trained=True) == expected + unused


# --- learning rates -----------------------------------------------------------------------------------------


def _rates(train: TrainSpec, epochs: list[float]) -> list[float]:
    """The rates of a stage on the full data, at epochs counted from 0."""
    per_epoch, total = IMAGES // train.batch_size, train.duration.in_steps(IMAGES, train.batch_size)
    moments = [Moment(round(epoch * per_epoch), total, per_epoch) for epoch in epochs]
    return [learning_rate(train.optimizer, moment) for moment in moments]


def _moco_v1(epoch: float) -> float:
    return 0.03 * 0.1 ** sum(epoch >= milestone for milestone in (120, 160))


def _moco_v2(epochs: int) -> Callable[[float], float]:
    return lambda epoch: 0.03 * 0.5 * (1 + math.cos(math.pi * int(epoch) / epochs))


def _moco_linear(epoch: float) -> float:
    return 30 * 0.1 ** sum(epoch >= milestone for milestone in (60, 80))


def _dino_linear(epoch: float) -> float:
    return 0.001 * 1024 / 256 * 0.5 * (1 + math.cos(math.pi * int(epoch) / 100))


def _mae(base: float, batch: int, warmup: int, epochs: int, lowest: float = 0.0) -> Callable[[float], float]:
    """``util/lr_sched.py`` with ``lr = blr * batch / 256``."""

    def rate(epoch: float) -> float:
        peak = base * batch / 256
        if epoch < warmup:
            return peak * epoch / warmup
        return lowest + (peak - lowest) * 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))

    return rate


def _evaluation(name: str) -> TrainSpec:
    evaluation = SSL.config(name).evaluation
    assert evaluation is not None
    return evaluation.train


STAGES = [
    ("moco v1", SSL.config("moco-v1_r50_200ep").train, _moco_v1, 200),
    ("moco v2", SSL.config("moco-v2_r50_200ep").train, _moco_v2(200), 200),
    ("moco v2 long", SSL.config("moco-v2_r50_800ep").train, _moco_v2(800), 800),
    ("moco linear", _evaluation("moco-v2_r50_800ep"), _moco_linear, 100),
    ("dino linear", _evaluation("dino_vit-s16_800ep"), _dino_linear, 100),
    ("mae", SSL.config("mae_vit-b16_800ep_linear").train, _mae(1.5e-4, 4096, 40, 800), 800),
    ("mae linear", _evaluation("mae_vit-b16_800ep_linear"), _mae(0.1, 16384, 10, 90), 90),
    ("mae fine-tune", _evaluation("mae_vit-b16_800ep_finetune"), _mae(5e-4, 1024, 5, 100, 1e-6), 100),
    ("mae 2048", SENSITIVITY.config("mae_batch-2048").train, _mae(1.5e-4, 2048, 40, 800), 800),
    ("mae 1024", SENSITIVITY.config("mae_batch-1024").train, _mae(1.5e-4, 1024, 40, 800), 800),
]


@pytest.mark.parametrize(("train", "official", "epochs"), [stage[1:] for stage in STAGES], ids=[s[0] for s in STAGES])
def test_rates_are_those_of_the_official_formula(
    train: TrainSpec, official: Callable[[float], float], epochs: int
) -> None:
    """At the start of every epoch; the official code of all these sets the rate there, or at every step."""
    assert train.duration.epochs == epochs
    chosen = [float(epoch) for epoch in range(epochs)]
    assert _rates(train, chosen) == pytest.approx([official(epoch) for epoch in chosen], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", ["moco-v1_r50_200ep", "moco-v2_r50_200ep"])
def test_per_epoch_rates_do_not_move_within_an_epoch(name: str) -> None:
    """From the first to the last step of an epoch the rate is one, as main_moco.py has it."""
    train = SSL.config(name).train
    for epoch in (0, 59, 119, 120, 160, 199):
        assert len(set(_rates(train, [epoch, epoch + 0.5, epoch + 0.9998]))) == 1


def _dino_schedule(base: float, final: float, epochs: int, steps: int, warmup: int) -> npt.NDArray[np.float64]:
    """``utils.cosine_scheduler``."""
    rising = np.linspace(0, base, warmup * steps)
    rest = np.arange(epochs * steps - warmup * steps)
    return np.concatenate([rising, final + 0.5 * (base - final) * (1 + np.cos(np.pi * rest / len(rest)))])


@pytest.mark.parametrize(
    ("name", "base", "final", "epochs"),
    [("dino_vit-s16_800ep", 5e-4, 1e-5, 800), ("dino_vit-b16_400ep", 7.5e-4, 2e-6, 400)],
)
def test_dino_s_rate_and_decay_are_those_of_its_scheduler(name: str, base: float, final: float, epochs: int) -> None:
    """After the warm-up to the last digit, in it to one step of its 12,510; weight decay from .04 to .4."""
    train = SSL.config(name).train
    steps = IMAGES // 1024
    rates = _dino_schedule(base * 4, final, epochs, steps, 10)
    for step in (0, 1, 5000, 12_509):
        ours = learning_rate(train.optimizer, Moment(step, epochs * steps, steps))
        assert ours == pytest.approx(rates[step], abs=base * 4 / 12_509)
    for step in (12_510, 20_000, 100_000, epochs * steps - 1):
        assert learning_rate(train.optimizer, Moment(step, epochs * steps, steps)) == pytest.approx(rates[step])
    decays = _dino_schedule(0.04, 0.4, epochs, steps, 0)
    for step in (0, 1234, 300_000, epochs * steps - 1):
        assert weight_decay(train.optimizer, Moment(step, epochs * steps)) == pytest.approx(decays[step])


def _torchvision_rates(
    peak: float, epochs: int, schedulers: Callable[[torch.optim.Optimizer], LRScheduler]
) -> list[float]:
    """The rate of each epoch by torch's schedulers, stepped once an epoch."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = schedulers(optimizer)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def _warm_cosine(epochs: int, start: float) -> Callable[[torch.optim.Optimizer], LRScheduler]:
    def build(optimizer: torch.optim.Optimizer) -> LRScheduler:
        warm = LinearLR(optimizer, start_factor=start, total_iters=5)
        cosine = CosineAnnealingLR(optimizer, T_max=epochs - 5)
        return SequentialLR(optimizer, [warm, cosine], milestones=[5])

    return build


TORCHVISION: dict[str, tuple[float, int, Callable[[torch.optim.Optimizer], LRScheduler]]] = {
    "resnet50": (0.1, 90, lambda optimizer: StepLR(optimizer, 30, 0.1)),
    "resnext50_32x4d": (0.4, 100, lambda optimizer: StepLR(optimizer, 30, 0.1)),
    "regnet_y_3_2gf": (0.4, 100, _warm_cosine(100, 0.1)),
    "densenet121": (0.1, 90, lambda optimizer: StepLR(optimizer, 30, 0.1)),
    "mobilenet_v3_large": (0.064, 600, lambda optimizer: StepLR(optimizer, 2, 0.973)),
    "convnext_small": (1e-3, 600, _warm_cosine(600, 0.01)),
}


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*", "ignore:.*lr_scheduler.step.*")
@pytest.mark.parametrize("name", list(TORCHVISION))
def test_supervised_rates_are_those_of_torch_s_schedulers(name: str) -> None:
    """Epoch by epoch, as train.py builds and steps them."""
    peak, epochs, schedulers = TORCHVISION[name]
    train = SUPERVISED.config(name).train
    assert train.duration.epochs == epochs
    expected = _torchvision_rates(peak, epochs, schedulers)
    assert _rates(train, [float(epoch) for epoch in range(epochs)]) == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert len(set(_rates(train, [7, 7.5, 7.99]))) == 1


# --- optimizers ---------------------------------------------------------------------------------------------


def _decayed(spec: OptimizerSpec, module: nn.Module) -> set[str]:
    ids = {id(p) for group in parameter_groups(spec, module) if group["decays"] for p in group["params"]}
    return {name for name, parameter in module.named_parameters() if id(parameter) in ids}


@pytest.mark.parametrize("name", ["dino_vit-s16_800ep", "mae_vit-b16_800ep_linear"])
def test_what_decays_in_pretraining(name: str) -> None:
    """All but biases and one-dimensional parameters, as DINO's and timm's grouping of parameters has it."""
    method = _method(name)
    expected = {
        key
        for key, parameter in method.named_parameters()
        if parameter.requires_grad and not key.endswith(".bias") and parameter.ndim > 1
    }
    decayed = _decayed(SSL.config(name).train.optimizer, method)
    assert decayed == expected
    tokens = {key.rpartition(".")[2] for key in decayed} & {"cls_token", "pos_embed", "mask_token"}
    # MAE's positions are fixed; both originals decay the tokens that they train.
    assert tokens == ({"cls_token", "pos_embed"} if name.startswith("dino") else {"cls_token", "mask_token"})


def test_everything_decays_in_moco_and_torchvision_s_plain_recipes() -> None:
    """These optimizers are given all parameters in one group."""
    for name in ("moco-v1_r50_200ep", "resnet50", "mobilenet_v3_large"):
        method = _method(name)
        protocol = SSL if name.startswith("moco") else SUPERVISED
        decayed = _decayed(protocol.config(name).train.optimizer, method)
        assert decayed == {key for key, parameter in method.named_parameters() if parameter.requires_grad}


def test_convnext_decays_all_but_norms() -> None:
    """Biases and layer scales decay, the weights and biases of layer norms do not, as torchvision splits them."""
    from torchvision.ops._utils import split_normalization_params

    method = _method("convnext_small")
    online = nn.ModuleList([method.encoder, method.get_submodule("head")])
    _, others = split_normalization_params(online)
    decayed = _decayed(SUPERVISED.config("convnext_small").train.optimizer, method)
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    assert decayed == {names[id(parameter)] for parameter in others}
    assert any(name.endswith("layer_scale") for name in decayed)


def test_fine_tuning_scales_and_decays_as_mae_does() -> None:
    """``util/lr_decay.py``: .65 a layer from the head down, no decay of one-dimensional parameters and tokens."""
    config = SSL.config("mae_vit-b16_800ep_finetune")
    spec = config.evaluation
    assert isinstance(spec, FinetuneSpec)
    method = finetuned(spec, config, _pixels(config), CLASSES)
    groups = parameter_groups(spec.train.optimizer, method)
    found = {id(p): (group["decays"], group["lr_scale"]) for group in groups for p in group["params"]}
    trained = {name.removeprefix("encoder.encoder."): p for name, p in method.named_parameters() if p.requires_grad}
    assert "pos_embed" in trained
    for name, parameter in trained.items():
        layer = 13
        if name in ("cls_token", "pos_embed") or name.startswith("patch_embed"):
            layer = 0
        elif name.startswith("blocks"):
            layer = int(name.split(".")[1]) + 1
        decays = parameter.ndim > 1 and name not in ("cls_token", "pos_embed")
        assert found[id(parameter)] == (decays, pytest.approx(0.65 ** (13 - layer))), name
    assert _count(method, trained=True) == _vit(768) + 769 * CLASSES  # the final norm goes, another comes


def test_optimizers_have_the_official_constants() -> None:
    """Kind, momentum or betas, weight decay, clipping and batch of every stage."""
    train = {config.name: config.train for config in (*SSL.configs, *SUPERVISED.configs)}
    for name in ("moco-v1_r50_200ep", "moco-v2_r50_200ep", "moco-v2_r50_800ep"):
        optimizer = train[name].optimizer
        assert (optimizer.kind, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.9, 1e-4)
        assert train[name].batch_size == 256
    for name, clip in (("dino_vit-s16_800ep", None), ("dino_vit-b16_400ep", 0.3)):
        optimizer = train[name].optimizer
        assert (optimizer.kind, optimizer.betas, optimizer.clip_grad) == ("adamw", (0.9, 0.999), clip)
        assert train[name].batch_size == 1024
    mae = train["mae_vit-b16_800ep_linear"]
    assert (mae.optimizer.betas, mae.optimizer.weight_decay, mae.batch_size) == ((0.9, 0.95), 0.05, 4096)
    probe, tuning = _evaluation("mae_vit-b16_800ep_linear"), _evaluation("mae_vit-b16_800ep_finetune")
    assert (probe.optimizer.kind, probe.optimizer.weight_decay, probe.batch_size) == ("lars", 0.0, 16384)
    assert (tuning.optimizer.betas, tuning.optimizer.weight_decay, tuning.batch_size) == ((0.9, 0.999), 0.05, 1024)
    mobilenet = train["mobilenet_v3_large"].optimizer
    assert (mobilenet.kind, mobilenet.alpha, mobilenet.eps, mobilenet.weight_decay) == ("rmsprop", 0.9, 0.0316, 1e-5)
    assert train["regnet_y_3_2gf"].optimizer.weight_decay == 5e-5
    batches = [train[name].batch_size for name in TORCHVISION]
    assert batches == [8 * 32, 64 * 16, 8 * 64, 8 * 32, 8 * 128, 16 * 64]


# --- methods and views --------------------------------------------------------------------------------------


def _values(view: AugmentSpec) -> dict[str, object]:
    return view.model_dump(exclude_defaults=True)


JITTER = {"brightness": 0.4, "contrast": 0.4}


def test_moco_s_parameters() -> None:
    """moco/builder.py and main_moco.py: temperatures, heads, queue, momentum, per-GPU batch norm, views."""
    for name, temperature, mlp in (("moco-v1_r50_200ep", 0.07, False), ("moco-v2_r50_800ep", 0.2, True)):
        method = SSL.config(name).method
        assert isinstance(method, MoCoSpec)
        assert (method.temperature, method.mlp) == (temperature, mlp)
        assert (method.dim, method.queue, method.momentum, method.batch_norm_groups) == (128, 65536, 0.999, 8)
        common = {"size": 224, "crop_scale": (0.2, 1.0), "flip": 0.5, "grayscale": 0.2, "saturation": 0.4} | JITTER
        own = {"jitter": 0.8, "hue": 0.1, "blur": 0.5} if mlp else {"jitter": 1.0, "hue": 0.4}
        assert _values(method.augment) == common | own  # blur_sigma (.1, 2) is the default


def test_dino_s_parameters() -> None:
    """main_dino.py and the arguments of the published runs."""
    globals_ = {"size": 224, "crop_scale": (0.25, 1.0), "interpolation": "bicubic", "flip": 0.5, "jitter": 0.8}
    globals_ |= {"saturation": 0.2, "hue": 0.1, "grayscale": 0.2} | JITTER
    for name, norm, warm, frozen in (
        ("dino_vit-s16_800ep", False, 30 / 800, 1 / 800),
        ("dino_vit-b16_400ep", True, 50 / 400, 3 / 400),
    ):
        method = SSL.config(name).method
        assert isinstance(method, DINOSpec)
        assert [_values(view) for view in method.global_views] == [
            globals_ | {"blur": 1.0},
            globals_ | {"blur": 0.1, "solarize": 0.2},
        ]
        assert method.local_view is not None
        assert _values(method.local_view) == globals_ | {"size": 96, "crop_scale": (0.05, 0.25), "blur": 0.5}
        assert (method.local_crops, method.out_dim, method.norm_last_layer) == (10, 65536, norm)
        assert (method.student_temperature, method.warmup_teacher_temperature) == (0.1, 0.04)
        assert (method.teacher_temperature, method.center_momentum, method.momentum) == (0.07, 0.9, 0.996)
        assert method.warmup_teacher == pytest.approx(warm)
        assert method.freeze_last_layer == pytest.approx(frozen)
        assert not method.head_batch_norm
        assert SSL.config(name).backbone.model_dump()["drop_path"] == 0.1
    rates = [config.backbone.model_dump()["drop_path"] for config in SENSITIVITY.configs[3:]]
    assert rates == [0.1, 0.3, 0.5]


def test_mae_s_parameters() -> None:
    """PRETRAIN.md, main_linprobe.py and FINETUNE.md's script for ViT-B."""
    config = SSL.config("mae_vit-b16_800ep_finetune")
    method, tuning = config.method, config.evaluation
    assert isinstance(method, MAESpec)
    assert isinstance(tuning, FinetuneSpec)
    assert (method.mask_ratio, method.normalize_targets) == (0.75, True)
    assert (method.decoder_dim, method.decoder_depth, method.decoder_heads) == (512, 8, 16)
    crop = {"size": 224, "interpolation": "bicubic", "flip": 0.5}
    assert _values(method.augment) == crop | {"crop_scale": (0.2, 1.0)}
    erasing = {"policy": "randaugment", "erase": 0.25, "erase_noise": True}
    assert _values(tuning.augment) == crop | {"crop_scale": (0.08, 1.0)} | erasing
    assert (tuning.mixup, tuning.cutmix, tuning.label_smoothing, tuning.drop_path) == (0.8, 1.0, 0.1, 0.1)
    probe = SSL.config("mae_vit-b16_800ep_linear").evaluation
    assert isinstance(probe, LinearSpec)
    assert (probe.features, probe.batch_norm) == ("cls", True)


def test_evaluations_see_what_the_originals_see() -> None:
    """Resize 256 and centre 224, bilinear for ResNets, bicubic for transformers; features by backbone."""
    for config in SSL.configs:
        assert config.eval_view is not None
        kernel = "bilinear" if config.method.kind == "moco" else "bicubic"
        assert (config.eval_view.resize, config.eval_view.crop, config.eval_view.interpolation) == (256, 224, kernel)
    features = {c.name: c.evaluation.features for c in SSL.configs if isinstance(c.evaluation, LinearSpec)}
    assert features["dino_vit-s16_800ep"] == "cls_last4"
    assert features["dino_vit-b16_400ep"] == "cls_and_mean"
    assert [c.eval_view.resize for c in SUPERVISED.configs if c.eval_view is not None] == [256] * 5 + [230]


def test_convnext_s_regularisation() -> None:
    """torchvision's recipe, and its weight average adjusted as in train.py."""
    config = SUPERVISED.config("convnext_small")
    method = config.method
    assert isinstance(method, SupervisedSpec)
    assert method.weight_average is not None
    adjust = 16 * 64 * 32 / 600  # world size x batch x steps / epochs
    assert method.weight_average.decay == pytest.approx(1 - min(1.0, (1 - 0.99998) * adjust))
    assert (method.weight_average.every, config.train.repeats) == (32, 4)
    assert method.weight_average.start == pytest.approx(5 / 600)
    assert (method.mixup, method.cutmix, method.label_smoothing) == (0.2, 1.0, 0.1)
    assert (method.augment.size, method.augment.policy, method.augment.erase) == (176, "trivialaugment", 0.1)
    mobilenet = SUPERVISED.config("mobilenet_v3_large").method
    assert isinstance(mobilenet, SupervisedSpec)
    assert (mobilenet.augment.policy, mobilenet.augment.erase) == ("autoaugment", 0.2)


def test_facts_count_steps_of_the_full_data() -> None:
    """Incomplete batches are dropped: 5,004 steps of 256 images an epoch, 312 of 4,096, 78 of 16,384."""
    config = SSL.config("mae_vit-b16_800ep_linear")
    facts = recipe_facts(config, SSL.data, samples=IMAGES, classes=CLASSES, image_size=0)
    assert (facts.train.epoch_steps, facts.train.steps) == (312, 312 * 800)
    assert facts.evaluation is not None
    assert (facts.evaluation.epoch_steps, facts.evaluation.rates["10"]) == (78, pytest.approx(6.4))
    assert facts.encoder_parameters == _vit(768)
