"""What a search with limited supervision sees of a run's samples (limited-supervision paper, sections 4.2 and 4.3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from dlth_bench.protocols.tickets import SearchSpec
from dlth_bench.training.data import UNLABELLED, few_labelled, labels_only_at
from dlth_bench.training.random import stream_generator


@dataclass(frozen=True, eq=False)
class LimitedData:
    """Samples and labels of a search; tensors on the CPU.

    Attributes:
        positions: of the samples among the run's, int64 in ascending order; None: all.
        labels: int64, of all of the run's samples, -1 of those that the search does not see.
        kept: the classes that the labels count, positions among the run's in ascending order; None: all.
        permuted: how many samples have the label of another class.
    """

    positions: Tensor | None
    labels: Tensor
    kept: Tensor | None = None
    permuted: int = 0

    @property
    def samples(self) -> int:
        return len(self.labels) if self.positions is None else len(self.positions)

    def of_kept_classes(self, labels: Tensor) -> Tensor:
        """Labels int64 (samples,) of the run's classes as those of the search's, -1 of a class that it has not."""
        return labels if self.kept is None else _renumbered(labels, self.kept)

    def digest(self, labels: Tensor) -> str:
        """SHA-256 (hex) of the positions and of their labels among ``labels``, those of all of the run's samples."""
        positions = torch.arange(len(labels)) if self.positions is None else self.positions
        parts = (positions, labels.cpu()[positions])
        return hashlib.sha256(b"".join(each.numpy().astype("<i8").tobytes() for each in parts)).hexdigest()


def limited_data(spec: SearchSpec, labels: Tensor, classes: int, seed: int) -> LimitedData:
    """What a spec leaves of a run's samples with ``labels`` int64 (samples,) on the CPU; by streams of its seed."""
    data = LimitedData(None, labels)
    if spec.share_of_samples is not None:
        positions = few_labelled(labels, spec.share_of_samples, seed)
        data = LimitedData(positions, labels_only_at(positions, labels))
    if spec.share_of_classes is not None:
        order = torch.randperm(classes, generator=stream_generator(seed, "search/classes"))
        kept = order[: spec.classes(classes)].sort().values
        own = _renumbered(labels, kept)
        data = LimitedData((own != UNLABELLED).nonzero()[:, 0], own, kept)
    if spec.permute_labels:
        positions = torch.arange(len(labels)) if data.positions is None else data.positions
        shuffled = permuted(data.labels, positions, stream_generator(seed, "search/labels"))
        moved = int((shuffled != data.labels).sum())
        data = LimitedData(data.positions, shuffled, data.kept, moved)
    return data


def permuted(labels: Tensor, positions: Tensor, generator: torch.Generator) -> Tensor:
    """A copy of the labels with those at ``positions`` in a random order, and so as many of each class as before."""
    shuffled = labels.clone()
    shuffled[positions] = labels[positions][torch.randperm(len(positions), generator=generator)]
    return shuffled


def _renumbered(labels: Tensor, kept: Tensor) -> Tensor:
    """The position of each label in ``kept``, -1 of those that are not there."""
    numbers = labels.new_full((max(int(labels.max()), int(kept.max())) + 1,), UNLABELLED)
    numbers[kept.to(labels.device)] = torch.arange(len(kept), device=labels.device)
    return numbers[labels]
