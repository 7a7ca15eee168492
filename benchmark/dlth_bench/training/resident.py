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
    return Resident(*_on_device(train_arrays, device), *_on_device(val_arrays, device))


def _on_device(arrays: ImageArrays, device: torch.device) -> tuple[Samples, Tensor]:
    if isinstance(arrays.images, PackedImages):
        files = arrays.images.files()
        return packed_samples(files, device), torch.from_numpy(arrays.labels[files.rows]).to(device)
    if isinstance(arrays.images, TokenSequences):
        return TokenSamples.of(arrays.images, device), torch.from_numpy(arrays.labels).to(device)
    return torch.from_numpy(arrays.images).to(device), torch.from_numpy(arrays.labels).to(device)
