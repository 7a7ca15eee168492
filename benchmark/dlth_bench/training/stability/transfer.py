"""A frozen ticket on another dataset (stability paper, table 5): a new dense classifier on its pooled features."""

from __future__ import annotations

import torch
from torch import Tensor

from dlth_bench.datasets.base import ImageArrays
from dlth_bench.datasets.registry import image_dataset
from dlth_bench.datasets.splits import Split
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.measurement import TransferSpec
from dlth_bench.spec.metric import Measured
from dlth_bench.training.augment import Pixels
from dlth_bench.training.evaluation.linear import extract_features
from dlth_bench.training.flops import forward_flops
from dlth_bench.training.stability.frozen_features import FeatureSet, fitted_probe
from dlth_bench.training.stability.recalibration import recalibrate
from dlth_bench.training.stability.subject import Finding, Subject, valued


def measure_transfer(spec: TransferSpec, subject: Subject) -> Finding:
    """Accuracy on the other dataset's validation samples.

    Raises:
        InputError: the dataset is not to be had, or its images do not fit the network.
    """
    images, labels = _split(spec, "train", subject)
    val_images, val_labels = _split(spec, "val", subject)
    channels = subject.pixels.channels
    mean, std = as_wide(spec.pixel_mean, channels), as_wide(spec.pixel_std, channels)
    pixels = Pixels(images.shape[-1], mean, std)
    encoder = subject.network().encoder
    if spec.recalibrated:
        recalibrate(encoder, images, pixels)
    features = FeatureSet(
        extract_features(encoder, images, pixels, "pooled"),
        labels,
        extract_features(encoder, val_images, pixels, "pooled"),
        val_labels,
    )
    extraction = forward_flops(
        lambda image: extract_features(encoder, image, pixels, "pooled"), images[:1], len(labels)
    )
    probe = fitted_probe(f"transfer-{spec.dataset}", features, spec.train, subject, batch_norm=spec.batch_norm)
    (metric,) = spec.metrics
    measured = Measured(kind=spec.kind, values=(valued(metric, probe.accuracy),))
    return Finding(measured, len(labels), extraction + probe.flops, probe.seconds)


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
    if images.shape[1] != subject.pixels.channels:
        if images.shape[1] != 1:
            raise InputError(f"transfer to {spec.dataset}: colour images for a network of grey ones")
        images = images.expand(-1, subject.pixels.channels, -1, -1)
    return images, torch.as_tensor(arrays.labels).to(device)


def as_wide(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """A value a channel of the network; a grey image's one is that of all."""
    return values * channels if len(values) == 1 else values
