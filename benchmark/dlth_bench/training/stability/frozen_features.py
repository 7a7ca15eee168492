"""Linear classifiers on the features of a frozen network, inside it or at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.method import LinearSpec
from dlth_bench.spec.recipe import TrainSpec
from dlth_bench.training.augment import Pixels, unaugmented
from dlth_bench.training.evaluation.accuracy import BATCH, top1
from dlth_bench.training.evaluation.linear import LinearProbe
from dlth_bench.training.flops import stage_flops
from dlth_bench.training.samples import Samples, in_order
from dlth_bench.training.seeds import global_stream
from dlth_bench.training.stability.subject import Subject
from dlth_bench.training.stage import Stage

_BLOCKS = frozenset({"BasicBlock", "Bottleneck", "BottleneckBlock"})
"""Classes of residual blocks in timm and torchvision."""


def residual_blocks(encoder: nn.Module) -> list[nn.Module]:
    """The residual blocks of a network in their order.

    Raises:
        InputError: it has none.
    """
    found = [module for module in encoder.modules() if type(module).__name__ in _BLOCKS]
    if not found:
        raise InputError("this backbone has no residual blocks to probe")
    return found


@torch.no_grad()
def block_features(encoder: nn.Module, blocks: Sequence[int], images: Samples, pixels: Pixels) -> list[Tensor]:
    """For each block (the first being 1) the means over places of its output, float (samples, channels).

    Raises:
        InputError: the network has no such block.
    """
    modules = residual_blocks(encoder)
    for block in blocks:
        if block > len(modules):
            raise InputError(f"block {block} to probe; this backbone has {len(modules)} residual blocks")
    seen: dict[int, list[Tensor]] = {block: [] for block in blocks}

    def keep(block: int) -> torch.utils.hooks.RemovableHandle:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[block].append(output.mean((2, 3)))

        return modules[block - 1].register_forward_hook(hook)

    hooks = [keep(block) for block in seen]
    encoder.eval()
    for batch in in_order(images, BATCH):
        encoder(unaugmented(batch, pixels))
    for handle in hooks:
        handle.remove()
    return [torch.cat(seen[block]).float() for block in blocks]


@dataclass(frozen=True)
class FittedProbe:
    """A classifier's accuracy on the validation samples, and what its training took."""

    accuracy: float
    flops: float
    seconds: float


@dataclass(frozen=True)
class FeatureSet:
    """Features (samples, width) and int64 labels (samples,) of both splits."""

    train: Tensor
    train_labels: Tensor
    val: Tensor
    val_labels: Tensor


def fitted_probe(
    name: str, features: FeatureSet, train: TrainSpec, subject: Subject, *, batch_norm: bool
) -> FittedProbe:
    """A new classifier fitted to features; ``name`` is that of its draws and files.

    Its batch is smaller where there are fewer samples.
    """
    spec = LinearSpec(kind="linear", features="pooled", batch_norm=batch_norm, train=train)
    classes = int(max(features.train_labels.max(), features.val_labels.max())) + 1

    def fresh() -> LinearProbe:
        with global_stream(subject.seed, name):
            return LinearProbe(spec, features.train.shape[1], classes).to(features.train.device)

    size = min(train.batch_size, len(features.train))
    own = train.model_copy(update={"batch_size": size})
    stage = Stage(name, fresh(), features.train, features.train_labels, own, subject.seed)
    history = subject.train(stage)
    probe = stage.method.eval()
    if not isinstance(probe, LinearProbe):
        raise TypeError(f"{name} trained something else than a probe")
    with torch.no_grad():
        accuracy = top1(probe.logits(features.val), features.val_labels)
    return FittedProbe(accuracy, stage_flops(stage, fresh), history.seconds)
