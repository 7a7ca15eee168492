"""Linear classifiers on the features of a frozen network, inside it or at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from dlth_bench.datasets.catalog import Split
from dlth_bench.datasets.dataset import ImageArrays
from dlth_bench.datasets.registry import image_dataset
from dlth_bench.protocols.measurements import FewShotSpec, TicketProbeSpec, TransferSpec
from dlth_bench.protocols.methods import LinearSpec
from dlth_bench.protocols.recipe import TrainSpec
from dlth_bench.training.data import shuffled_classes
from dlth_bench.training.evaluation import BATCH, LinearProbe, extract_features, in_batches, top1
from dlth_bench.training.flops import forward_flops, stage_flops
from dlth_bench.training.measurements.barrier import recalibrate
from dlth_bench.training.measurements.subject import MeasurementFinding, Subject, measured
from dlth_bench.training.random import global_stream, stream_seed
from dlth_bench.training.samples import StageSamples, in_order
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.masks import Masking
from dlth_bench.training.views.augment import Pixels, unaugmented
from dlth_bench.util.errors import InputError

_BLOCKS = frozenset({"BasicBlock", "Bottleneck", "BottleneckBlock"})
"""Classes of residual blocks in timm and torchvision."""


@torch.no_grad()
def block_features(encoder: nn.Module, blocks: Sequence[int], images: StageSamples, pixels: Pixels) -> list[Tensor]:
    """For each block (the first being 1) the means over places of its output, float (samples, channels).

    Raises:
        InputError: the network has no such block.
    """
    modules = [module for module in encoder.modules() if type(module).__name__ in _BLOCKS]
    if not modules:
        raise InputError("this backbone has no residual blocks to probe")
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


def fit_probe(name: str, features: FeatureSet, train: TrainSpec, subject: Subject, *, batch_norm: bool) -> FittedProbe:
    """A new classifier fitted to features; ``name`` is that of its draws and files."""
    seed = subject.trainer.dense.seed
    spec = LinearSpec(kind="linear", features="pooled", batch_norm=batch_norm, train=train)
    classes = int(max(features.train_labels.max(), features.val_labels.max())) + 1

    def fresh() -> LinearProbe:
        with global_stream(seed, name):
            return LinearProbe(spec, features.train.shape[1], classes).to(features.train.device)

    own = of_few_samples(train, len(features.train))
    stage = Stage(name, fresh(), features.train, features.train_labels, own, seed)
    history = subject.trainer.train(stage)
    probe = stage.method.eval()
    if not isinstance(probe, LinearProbe):
        raise TypeError(f"{name} trained something else than a probe")
    with torch.no_grad():
        accuracy = top1(probe.logits(features.val), features.val_labels)
    return FittedProbe(accuracy, stage_flops(stage, fresh), history.seconds)


def of_few_samples(train: TrainSpec, samples: int) -> TrainSpec:
    """A training whose batch is no larger than its samples are many."""
    return train.model_copy(update={"batch_size": min(train.batch_size, samples)})


def measure_few_shot(spec: FewShotSpec, subject: Subject) -> MeasurementFinding:
    """Validation accuracy after the whole schedule of the spec, from the weights of the rewind point.

    Raises:
        InputError: the samples do not fill a batch of two.
    """
    dense, trainer = subject.trainer.dense, subject.trainer
    name = f"few-shot-{spec.per_class}"
    chosen = few_of_each(dense.labels, spec.per_class, stream_seed(dense.seed, name))
    if len(chosen) < 2:
        raise InputError(f"{name}: {len(chosen)} training sample; a batch norm needs two")
    method = subject.network()
    train = of_few_samples(spec.train, len(chosen))
    stage = replace(
        dense,
        name=name,
        method=method,
        samples=dense.samples[chosen],
        labels=dense.labels[chosen],
        spec=train,
        start=0,
        stop=None,
        masking=Masking(method, subject.mask),
    )
    history = trainer.train(stage)
    found = measured(spec, [trainer.class_accuracy(method)])
    flops = stage_flops(stage, lambda: trainer.new_method("init"))
    return MeasurementFinding(found, stage.updates * train.batch_size, flops, history.seconds)


def few_of_each(labels: Tensor, per_class: int, seed: int) -> Tensor:
    """Positions of ``per_class`` random samples of each class, of fewer where there are fewer; sorted, int64.

    They are nested: the samples of a smaller number are among those of a larger one of the same seed.
    """
    classes = shuffled_classes(labels, torch.Generator().manual_seed(seed))
    return torch.cat([members[:per_class] for members in classes]).sort().values.to(labels.device)


def measure_ticket_probe(spec: TicketProbeSpec, subject: Subject) -> MeasurementFinding:
    """Validation accuracy of a probe at each of the blocks; errors as of `block_features`."""
    encoder, trainer = subject.network().encoder, subject.trainer
    pixels = trainer.pixels
    if spec.recalibrated:
        recalibrate(encoder, subject.images, pixels)
    both = [block_features(encoder, spec.blocks, images, pixels) for images in (subject.images, trainer.val_images)]
    encoder.eval()
    extraction = forward_flops(
        lambda image: in_batches(encoder, image, pixels), subject.images[:1], len(subject.labels)
    )
    probes = [
        fit_probe(
            f"probe-block-{block}",
            FeatureSet(train, subject.labels, val, trainer.val_labels),
            spec.train,
            subject,
            batch_norm=spec.batch_norm,
        )
        for block, train, val in zip(spec.blocks, *both, strict=True)
    ]
    return MeasurementFinding(
        measured(spec, [probe.accuracy for probe in probes]),
        len(subject.labels),
        extraction + sum(probe.flops for probe in probes),
        sum(probe.seconds for probe in probes),
    )


def measure_transfer(spec: TransferSpec, subject: Subject) -> MeasurementFinding:
    """Accuracy on the other dataset's validation samples.

    Raises:
        InputError: the dataset is not available, or its images do not fit the network.
    """
    images, labels = _split(spec, "train", subject)
    val_images, val_labels = _split(spec, "val", subject)
    pixels = transfer_pixels(spec, images.shape[-1], subject.trainer.pixels.channels)
    encoder = subject.network().encoder
    if spec.recalibrated:
        recalibrate(encoder, images, pixels)
    extract = partial(extract_features, encoder, pixels=pixels, kind="pooled")
    features = FeatureSet(extract(images), labels, extract(val_images), val_labels)
    extraction = forward_flops(extract, images[:1], len(labels))
    probe = fit_probe(f"transfer-{spec.dataset}", features, spec.train, subject, batch_norm=spec.batch_norm)
    found = measured(spec, [probe.accuracy])
    return MeasurementFinding(found, len(labels), extraction + probe.flops, probe.seconds)


def _split(spec: TransferSpec, split: Split, subject: Subject) -> tuple[Tensor, Tensor]:
    """Images, as many channels as the network takes, and labels of a split, on the device."""
    dataset = image_dataset(spec.dataset)
    classes = spec.classes or dataset.catalog.ids
    arrays: ImageArrays = dataset.load(split, classes, spec.images_per_class if split == "train" else None)
    device = subject.labels.device
    images = torch.as_tensor(arrays.images).to(device)
    if len(spec.pixel_mean) != images.shape[1]:
        told = f"{len(spec.pixel_mean)} pixel means for images of {images.shape[1]} channels"
        raise InputError(f"transfer to {spec.dataset}: {told}")
    channels = subject.trainer.pixels.channels
    if images.shape[1] != channels:
        if images.shape[1] != 1:
            raise InputError(f"transfer to {spec.dataset}: colour images for a network of grey ones")
        images = images.expand(-1, channels, -1, -1)
    return images, torch.as_tensor(arrays.labels).to(device)


def transfer_pixels(spec: TransferSpec, size: int, channels: int) -> Pixels:
    """The other dataset's images, as a network of some channels takes them; a grey image's one is that of all."""
    mean, std = (values * channels if len(values) == 1 else values for values in (spec.pixel_mean, spec.pixel_std))
    return Pixels(size, mean, std)
