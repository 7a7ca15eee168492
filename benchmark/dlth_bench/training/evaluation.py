"""Linear evaluation: a classifier trained on frozen features.

Features are computed once from unaugmented images, or of a new view of each image at every step, as the original
ImageNet evaluations do. For small images the former is hundreds of times cheaper, and it takes augmentation out of
the measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from timm.layers.drop import DropPath
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from dlth_bench.protocols.measurements import Measured
from dlth_bench.protocols.methods import Features, FinetuneSpec, LinearSpec
from dlth_bench.protocols.protocol import Cost
from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.runs.run import Curves, TicketFacts
from dlth_bench.training.data import Resident
from dlth_bench.training.environment import peak_memory_bytes
from dlth_bench.training.flops import forward_flops, stage_flops
from dlth_bench.training.loop import Diverged, History
from dlth_bench.training.methods.method import Method, Moment, Views
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.networks import linear_head
from dlth_bench.training.parallel.processes import compute_in_shards
from dlth_bench.training.random import global_stream
from dlth_bench.training.run_context import RunContext
from dlth_bench.training.samples import Images, StageSamples, in_order
from dlth_bench.training.stage import Stage
from dlth_bench.training.views.augment import Augment, Pixels, unaugmented

BATCH = 512


@torch.no_grad()
def in_batches(function: Callable[[Tensor], Tensor], images: StageSamples, pixels: Pixels) -> Tensor:
    """``function`` of the normalised, unaugmented images, concatenated over batches; each process takes a share."""

    def of_share(share: slice) -> Tensor:
        return torch.cat([function(unaugmented(batch, pixels)) for batch in in_order(images, BATCH, share)])

    return compute_in_shards(of_share, len(images))


def class_accuracy(logits: Tensor, labels: Tensor, classes: int) -> tuple[list[float], list[int]]:
    """Top-1 accuracy and number of samples of each class; logits (samples, classes), labels int64 (samples,)."""
    correct = (logits.argmax(1) == labels).double()
    counts = torch.bincount(labels, minlength=classes)
    hits = torch.zeros(classes, dtype=torch.float64, device=labels.device).index_add_(0, labels, correct)
    return (hits / counts.clamp(min=1)).tolist(), counts.tolist()


def top1(logits: Tensor, labels: Tensor) -> float:
    """Share of samples whose highest score (samples, classes) is at their label."""
    return (logits.argmax(1) == labels).double().mean().item()


@dataclass(frozen=True)
class RunOutcome:
    """What one or two stages of a run left."""

    train_logits: Tensor
    val_logits: Tensor
    pretrain: History = field(default_factory=History)
    evaluation: History = field(default_factory=History)
    images: int = 0
    flops: float = 0.0
    reused_seconds: float = 0.0
    """Of pretraining: spent by another run."""
    earlier_seconds: float = 0.0
    """Wall seconds of the search, of configs that prune, and of what measurements trained."""
    ticket: TicketFacts | None = None
    measured: tuple[Measured, ...] = ()


def result_fields(outcome: RunOutcome, data: Resident, classes: int) -> dict[str, Any]:
    """The fields of the result of a finished run that do not name it; ``data`` trained the evaluated network.

    Raises:
        Diverged: the scores of the trained model are not finite.
    """
    if not torch.isfinite(outcome.val_logits).all():
        # The last update can break the weights after the last loss was still a number.
        raise Diverged("the scores of the trained model are not finite")
    accuracies, counts = class_accuracy(outcome.val_logits, data.val_labels, classes)
    pretrain, evaluation = outcome.pretrain, outcome.evaluation
    return {
        "status": "finished",
        "accuracy": top1(outcome.val_logits, data.val_labels),
        "class_accuracy": tuple(accuracies),
        "class_counts": tuple(counts),
        "train_accuracy": top1(outcome.train_logits, data.train_labels),
        "curves": Curves(
            pretrain_steps=tuple(pretrain.curve_steps),
            pretrain_loss=tuple(pretrain.curve_loss),
            evaluation_steps=tuple(evaluation.curve_steps),
            evaluation_loss=tuple(evaluation.curve_loss),
        ),
        "cost": Cost(
            images=outcome.images,
            flops=outcome.flops,
            device_seconds=outcome.earlier_seconds + pretrain.seconds + evaluation.seconds,
        ),
        "reused_seconds": outcome.reused_seconds,
        "ticket": outcome.ticket,
        "measured": outcome.measured,
        "peak_memory_bytes": peak_memory_bytes(data.train_labels.device),
    }


def extract_features(encoder: nn.Module, images: StageSamples, pixels: Pixels, kind: Features) -> Tensor:
    """Features (samples, width) of uint8 images, the encoder in evaluation mode."""
    encoder.eval()
    return in_batches(lambda batch: _features(encoder, batch, kind), images, pixels).float()


def _features(encoder: nn.Module, images: Tensor, kind: Features) -> Tensor:
    if kind == "pooled":
        pooled: Tensor = encoder(images)
        return pooled
    if not isinstance(encoder, VisionTransformer):
        raise ValueError(f"features '{kind}' need a vision transformer; this backbone has 'pooled'")
    if kind == "cls_last4":
        # DINO's ViT-S protocol: class tokens of the last four blocks, each after the final norm.
        blocks = encoder.get_intermediate_layers(images, n=4, return_prefix_tokens=True, norm=True)
        return torch.cat([prefix[:, 0] for _, prefix in blocks], dim=1)
    tokens = encoder.forward_features(images)
    if kind == "cls":
        return tokens[:, 0]
    return torch.cat([tokens[:, 0], tokens[:, encoder.num_prefix_tokens :].mean(1)], dim=1)


class LinearProbe(Method):
    """The classifier as a method of the common loop; its "images" are features."""

    def __init__(self, spec: LinearSpec, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False, eps=1e-6) if spec.batch_norm else nn.Identity()
        self.head = linear_head(width, classes)
        self.encoder = self.head

    def views(self, images: Images, generator: torch.Generator) -> Views:
        if not isinstance(images, Tensor):
            raise TypeError("a probe takes features")
        return (images,)

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        return F.cross_entropy(self.logits(views[0]), labels)

    def logits(self, features: Tensor) -> Tensor:
        """Class scores (batch, classes) of features (batch, width)."""
        scores: Tensor = self.head(self.norm(features))
        return scores


class AugmentedProbe(LinearProbe):
    """The classifier with the frozen encoder in front of it, which sees a new view of each image at every step."""

    def __init__(
        self, spec: LinearSpec, augment: AugmentSpec, encoder: nn.Module, width: int, classes: int, pixels: Pixels
    ) -> None:
        super().__init__(spec, width, classes)
        self.augment = Augment(augment, pixels)
        self.features = spec.features
        self.frozen = encoder.requires_grad_(False)

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return (self.augment(images, generator),)

    @torch.no_grad()
    def _features_of(self, images: Tensor) -> Tensor:
        # In parts, since batches of thousands do not fit; no sample's features depend on another's.
        return torch.cat([_features(self.frozen, part, self.features) for part in torch.split(images, BATCH)])

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        return super().forward((self._features_of(views[0]),), labels, moment)

    def train(self, mode: bool = True) -> Self:
        """The classifier's mode; the encoder stays in evaluation mode."""
        super().train(mode)
        self.frozen.eval()
        return self


def linear_probe(spec: LinearSpec, encoder: nn.Module, width: int, classes: int, pixels: Pixels) -> LinearProbe:
    """A fresh classifier of features ``width`` wide, which computes them itself where the spec augments."""
    if spec.augment is None:
        return LinearProbe(spec, width, classes)
    return AugmentedProbe(spec, spec.augment, encoder, width, classes, pixels)


class MeanPatchHead(nn.Module):
    """Mean of the patch tokens, a norm and a linear layer, in place of the encoder's final norm."""

    def __init__(self, encoder: VisionTransformer, classes: int) -> None:
        super().__init__()
        self.prefix = encoder.num_prefix_tokens
        self.norm = nn.LayerNorm(encoder.num_features, eps=1e-6)
        # The tiny initial spread is the original's.
        self.head = linear_head(encoder.num_features, classes, std=2e-5)

    def forward(self, tokens: Tensor) -> Tensor:
        scores: Tensor = self.head(self.norm(tokens[:, self.prefix :].mean(1)))
        return scores


class Tokens(nn.Module):
    """An encoder's tokens (batch, tokens, dim) after its last block, without its final norm."""

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.encoder = encoder
        encoder.norm = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.encoder.forward_features(images)
        return tokens


def finetune_method(spec: FinetuneSpec, encoder: nn.Module, classes: int, pixels: Pixels) -> Supervised:
    """The pretrained encoder with a fresh head, ready to train."""
    if not isinstance(encoder, VisionTransformer):
        raise ValueError("fine-tuning needs a vision transformer")
    encoder.requires_grad_(True)
    if encoder.pos_embed is not None:
        # Unless trained, positions stay the fixed sin-cos ones of MAE's pretraining.
        encoder.pos_embed.requires_grad_(spec.train_positions)
    for index, block in enumerate(encoder.blocks):
        rate = spec.drop_path * index / max(1, len(encoder.blocks) - 1)
        if rate:
            block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)
    return Supervised(
        Tokens(encoder),
        MeanPatchHead(encoder, classes),
        augment=spec.augment,
        pixels=pixels,
        label_smoothing=spec.label_smoothing,
        mixup=spec.mixup,
        cutmix=spec.cutmix,
    )


def classify(context: RunContext, method: Method, data: Resident) -> RunOutcome:
    """What a trained classifier predicts of both splits; says nothing of what training took."""
    if isinstance(method, TextClassifier):
        return RunOutcome(method.logits(data.train_images), method.logits(data.val_images))
    if not isinstance(method, Supervised):
        raise TypeError(f"config {context.config.name} has no evaluation and no classifier")
    method.eval()
    train, val = (in_batches(method.logits, images, context.pixels) for images in (data.train_images, data.val_images))
    return RunOutcome(train, val)


def _linear(context: RunContext, spec: LinearSpec, method: Method, data: Resident) -> RunOutcome:
    run, pixels = context.run, context.pixels
    extract = partial(extract_features, method.encoder, pixels=pixels, kind=spec.features)
    train_features, val_features = extract(data.train_images), extract(data.val_images)
    classes, width = len(run.class_ids), train_features.shape[1]

    def fresh() -> LinearProbe:
        with global_stream(run.seed, "probe"):
            probe = linear_probe(spec, method.encoder, width, classes, pixels)
        return probe.to(context.device)

    probe, samples = fresh(), train_features if spec.augment is None else data.train_images
    stage = Stage("linear", probe, samples, data.train_labels, spec.train, run.seed)
    history = context.train(stage)
    probe.eval()
    extraction = forward_flops(extract, data.train_images[:1], len(data.train_labels))
    with torch.no_grad():
        logits = probe.logits(train_features), probe.logits(val_features)
    images, flops = len(data.train_labels), extraction + stage_flops(stage, fresh)
    if spec.augment is not None:  # features of unaugmented images are then for the training accuracy alone
        images, flops = stage.steps * spec.train.batch_size, flops - extraction
    return RunOutcome(*logits, evaluation=history, images=images, flops=flops)


def _finetune(context: RunContext, spec: FinetuneSpec, method: Method, data: Resident) -> RunOutcome:
    run = context.run

    def on(encoder: torch.nn.Module) -> Supervised:
        with global_stream(run.seed, "finetune"):
            tuned = finetune_method(spec, encoder, len(run.class_ids), context.pixels)
        return tuned.to(context.device)

    tuned = on(method.encoder)
    stage = Stage("finetune", tuned, data.train_images, data.train_labels, spec.train, run.seed)
    history = context.train(stage)
    outcome = classify(context, tuned, data)
    flops = stage_flops(stage, lambda: on(context.new_method().encoder))
    return replace(outcome, evaluation=history, images=stage.steps * spec.train.batch_size, flops=flops)


EVALUATIONS: Mapping[str, Callable[[RunContext, Any, Method, Resident], RunOutcome]] = {
    "linear": _linear,
    "finetune": _finetune,
}
"""The evaluations by the kind of their spec in ``protocols/methods.py``; another one is a spec there, a line here."""


def evaluate(context: RunContext, method: Method, data: Resident) -> RunOutcome:
    """What the config's evaluation makes of a trained method, and what it took; fine-tuning changes the method."""
    spec = context.config.evaluation
    return classify(context, method, data) if spec is None else EVALUATIONS[spec.kind](context, spec, method, data)
