"""The data of a run where its training reads them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlth_bench.datasets.dataset import Dataset, ImageArrays
from dlth_bench.datasets.packed.cache import PackedImages
from dlth_bench.datasets.tokens import TokenSequences
from dlth_bench.protocols.methods import MethodSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.tickets import part
from dlth_bench.runs.run import Run
from dlth_bench.subsets.subset import PHASES, on_subset
from dlth_bench.training.random import stream_generator
from dlth_bench.training.samples import StageSamples, TokenSamples, packed_samples


def run_samples(dataset: Dataset, run: Run) -> tuple[ImageArrays, ImageArrays]:
    """Training and validation samples of a run; all validation samples of its classes.

    Raises:
        InputError: the dataset lacks some.
    """
    train = dataset.load("train", run.class_ids, run.data.images_per_class)
    if run.sample_ids is not None:
        train = train.only(run.sample_ids)
    return train, dataset.load("val", run.class_ids)


@dataclass(frozen=True)
class Resident:
    """Both splits, on the device or in files if they do not fit there, and their int64 labels on the device."""

    train_images: StageSamples
    train_labels: Tensor
    val_images: StageSamples
    val_labels: Tensor
    train_ids: tuple[str, ...]
    """IDs of the training samples, in their order."""


@dataclass(frozen=True)
class PhaseData:
    """The data of each phase of a run, the subset's or the full ones; the validation samples are those of all.

    A dense training is of the phase ``search``.
    """

    search: Resident
    sparse_training: Resident
    probe: Resident

    def last(self, config: Config) -> Resident:
        """What the network or the classifier that is evaluated was trained on."""
        if config.pruning is not None:
            return self.sparse_training
        return self.search if config.evaluation is None else self.probe


def phase_data(dataset: Dataset, run: Run, device: torch.device) -> PhaseData:
    """The samples of each phase of a run."""
    subset = resident(dataset, run, device)
    if run.replaced == "training":
        return PhaseData(subset, subset, subset)
    whole = run.model_copy(update={"sample_ids": None, "replaced": "training"})
    full = resident(dataset, whole, device)
    return PhaseData(*(subset if on_subset(phase, run.replaced) else full for phase in PHASES))


def resident(dataset: Dataset, run: Run, device: torch.device) -> Resident:
    """The training and validation samples of a run."""
    train_arrays, val_arrays = run_samples(dataset, run)
    train_images, train_labels, train_ids = _on_device(train_arrays, device)
    val_images, val_labels, _ = _on_device(val_arrays, device)
    return Resident(train_images, train_labels, val_images, val_labels, train_ids)


def _on_device(arrays: ImageArrays, device: torch.device) -> tuple[StageSamples, Tensor, tuple[str, ...]]:
    """Samples, labels and IDs; of images in files, those that can be decoded."""
    labels, ids = torch.from_numpy(arrays.labels), arrays.sample_ids
    if isinstance(arrays.images, PackedImages):
        files = arrays.images.files()
        return packed_samples(files, device), labels[files.rows].to(device), tuple(ids[row] for row in files.rows)
    if isinstance(arrays.images, TokenSequences):
        return TokenSamples.of(arrays.images, device), labels.to(device), ids
    return torch.from_numpy(arrays.images).to(device), labels.to(device), ids


UNLABELLED = -1
"""The label of a sample that has none for training."""


def few_labelled(labels: Tensor, share: float, seed: int) -> Tensor:
    """`drawn_of_each_class` by the run's seed: few samples and few labels of equal shares are of the same samples."""
    return drawn_of_each_class(labels, share, stream_generator(seed, "few-labelled"))


def drawn_of_each_class(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Positions of a random part of each class's samples, at least one of each, int64 in ascending order.

    With a generator in the same state, the samples of a smaller share are among those of a larger one.
    """
    classes = shuffled_classes(labels, generator)
    return torch.cat([members[: part(share, len(members))] for members in classes]).sort().values


def shuffled_classes(labels: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Positions of each class's samples in a random order, int64; both on the CPU.

    Args:
        labels: int64 (samples,); those without label are left out.
        generator: on the CPU.
    """
    order = torch.randperm(len(labels), generator=generator)
    ordered = labels.cpu()[order]
    return [order[ordered == label] for label in torch.unique(ordered) if label != UNLABELLED]


def visible_labels(method: MethodSpec, labels: Tensor, seed: int) -> Tensor:
    """The labels that a method trains with, int64 (samples,); s4l sees those of its share, drawn by the seed."""
    if method.kind != "s4l":
        return labels
    kept = few_labelled(labels.cpu(), method.labelled, seed).to(labels.device)
    return labels_only_at(kept, labels)


def labels_only_at(positions: Tensor, labels: Tensor) -> Tensor:
    """The labels of some samples; all others have none."""
    left = torch.full_like(labels, UNLABELLED)
    left[positions] = labels[positions]
    return left


def half_labelled_order(
    labels: Tensor, positions: Tensor, batches: int, size: int, *, generator: torch.Generator
) -> Tensor:
    """The samples of an epoch, int64 (batches * size,): in each batch first those with a label, then those without.

    Of an odd size the larger half is without. Each kind goes through all of its samples, again and again in new
    orders, so that few labels come up more often.

    Args:
        labels: int64 (samples,) on the CPU.
        positions: of the samples to draw from, int64 on the CPU.

    Raises:
        ValueError: there are none of one kind.
    """
    known = labels[positions] != UNLABELLED
    halves = []
    for members, each in ((positions[known], size // 2), (positions[~known], size - size // 2)):
        if not len(members):
            raise ValueError("semi-supervised training needs samples with label and samples without")
        rounds = -(-batches * each // len(members))
        orders = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
        halves.append(torch.cat(orders)[: batches * each].view(batches, each))
    return torch.cat(halves, dim=1).flatten()
