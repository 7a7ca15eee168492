"""Training on few labels: which samples keep theirs, and batches that are half of these."""

from __future__ import annotations

import torch
from torch import Tensor

from dlth_bench.spec.method import MethodSpec
from dlth_bench.spec.search import part
from dlth_bench.training.seeds import stream_seed

UNLABELLED = -1
"""The label of a sample that has none for training."""


def few_labelled(labels: Tensor, share: float, seed: int) -> Tensor:
    """`drawn_of_each_class` by the run's seed: few samples and few labels of equal shares are of the same samples."""
    generator = torch.Generator().manual_seed(stream_seed(seed, "few-labelled"))
    return drawn_of_each_class(labels, share, generator)


def drawn_of_each_class(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Positions of a random part of each class's samples, at least one of each, int64 in ascending order.

    With a generator in the same state, the samples of a smaller share are among those of a larger one.

    Args:
        labels: int64 (samples,) on the CPU; those without label are left out.
        generator: on the CPU.
    """
    order = torch.randperm(len(labels), generator=generator)
    ordered = labels[order]
    parts = [order[ordered == label] for label in torch.unique(labels).tolist() if label != UNLABELLED]
    return torch.cat([members[: part(share, len(members))] for members in parts]).sort().values


def visible_labels(method: MethodSpec, labels: Tensor, seed: int) -> Tensor:
    """The labels that a method trains with, int64 (samples,); s4l sees those of its share, drawn by the seed."""
    if method.kind != "s4l":
        return labels
    kept = few_labelled(labels.cpu(), method.labelled, seed).to(labels.device)
    visible = torch.full_like(labels, UNLABELLED)
    visible[kept] = labels[kept]
    return visible


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
