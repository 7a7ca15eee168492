"""The data of a run where its training reads them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlth_bench.datasets.base import Dataset, ImageArrays
from dlth_bench.datasets.packed.images import PackedImages
from dlth_bench.datasets.run_samples import run_samples
from dlth_bench.datasets.token_sequences import TokenSequences
from dlth_bench.spec.protocol import Config
from dlth_bench.spec.replaced import PHASES, on_subset
from dlth_bench.spec.run import Run
from dlth_bench.training.samples import Samples, packed_samples
from dlth_bench.training.tokens import TokenSamples


@dataclass(frozen=True)
class Resident:
    """Both splits, on the device or in files if they do not fit there, and their int64 labels on the device."""

    train_images: Samples
    train_labels: Tensor
    val_images: Samples
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


def _on_device(arrays: ImageArrays, device: torch.device) -> tuple[Samples, Tensor, tuple[str, ...]]:
    """Samples, labels and IDs; of images in files, those that can be decoded."""
    labels, ids = torch.from_numpy(arrays.labels), arrays.sample_ids
    if isinstance(arrays.images, PackedImages):
        files = arrays.images.files()
        return packed_samples(files, device), labels[files.rows].to(device), tuple(ids[row] for row in files.rows)
    if isinstance(arrays.images, TokenSequences):
        return TokenSamples.of(arrays.images, device), labels.to(device), ids
    return torch.from_numpy(arrays.images).to(device), labels.to(device), ids
