"""What a search with limited supervision sees: exactly the part that its spec says, drawn by the run's seed."""

from __future__ import annotations

import pytest
import torch

from dlth_bench.protocols.methods import S4LSpec
from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.protocols.tickets import SearchSpec
from dlth_bench.training.data import UNLABELLED, visible_labels
from dlth_bench.training.tickets.limited_data import LimitedData, limited_data

LABELS = torch.arange(12).repeat(10)[torch.randperm(120, generator=torch.Generator().manual_seed(5))]
"""Ten samples of each of twelve classes, mixed."""


def seen(seed: int = 0, **spec: float | bool) -> LimitedData:
    return limited_data(SearchSpec.model_validate(spec), LABELS, 12, seed)


def test_low_shot_by_samples_keeps_all_classes() -> None:
    """Of each class the same part, with its own labels; what is not seen has none; less is a part of more."""
    few, more = seen(share_of_samples=0.2), seen(share_of_samples=0.5)
    assert few.positions is not None
    assert more.positions is not None
    assert torch.bincount(LABELS[few.positions]).tolist() == [2] * 12
    assert torch.equal(few.labels[few.positions], LABELS[few.positions])
    assert int((few.labels != UNLABELLED).sum()) == few.samples == 24
    assert set(few.positions.tolist()) < set(more.positions.tolist())
    assert few.kept is None


def test_few_labels_and_few_samples_are_the_same() -> None:
    """Semi-supervised and low-shot searches with equal shares differ in the unlabelled samples alone."""
    spec = S4LSpec(kind="s4l", augment=AugmentSpec(), labelled=0.3)
    assert torch.equal(visible_labels(spec, LABELS, 0), seen(share_of_samples=0.3).labels)


def test_low_shot_by_classes_keeps_all_samples_of_some() -> None:
    """A quarter of the classes with every sample, numbered anew in the run's order; others are not seen."""
    data = seen(share_of_classes=0.25)
    assert data.kept is not None
    assert data.positions is not None
    assert data.kept.tolist() == sorted(set(data.kept.tolist()))
    assert len(data.kept) == 3
    assert data.positions.tolist() == [p for p, label in enumerate(LABELS.tolist()) if label in data.kept.tolist()]
    assert torch.equal(data.kept[data.labels[data.positions]], LABELS[data.positions])
    assert data.of_kept_classes(torch.tensor([0, 5, 11])).tolist() == [
        data.kept.tolist().index(label) if label in data.kept.tolist() else UNLABELLED for label in (0, 5, 11)
    ]


def test_permuted_labels_are_a_permutation() -> None:
    """The labels are the same ones at other samples: as many of each class, and nearly none where it was."""
    data = seen(permute_labels=True)
    assert data.positions is None
    assert torch.equal(torch.bincount(data.labels), torch.bincount(LABELS))
    moved = int((data.labels != LABELS).sum())
    assert data.permuted == moved
    assert moved / 120 == pytest.approx(11 / 12, abs=0.08)


@pytest.mark.parametrize("part", [{"share_of_samples": 0.5}, {"share_of_classes": 0.5}])
def test_permuting_a_part_leaves_it_the_same_part(part: dict[str, float]) -> None:
    """Labels are permuted among the samples that are seen."""
    plain, shuffled = seen(**part), seen(permute_labels=True, **part)
    assert plain.positions is not None
    assert shuffled.positions is not None
    assert torch.equal(plain.positions, shuffled.positions)
    counts = [torch.bincount(data.labels[data.positions]).tolist() for data in (plain, shuffled)]
    assert counts[0] == counts[1]
    outside = torch.ones(120, dtype=torch.bool)
    outside[plain.positions] = False
    assert (shuffled.labels[outside] == UNLABELLED).all()


@pytest.mark.parametrize("spec", [{"share_of_samples": 0.2}, {"share_of_classes": 0.5}, {"permute_labels": True}])
def test_the_seed_decides(spec: dict[str, float]) -> None:
    """The same seed draws the same, whatever was drawn before; another seed draws another part; the digest tells."""
    first = seen(**spec)
    torch.rand(3)
    again, other = seen(**spec), seen(seed=1, **spec)
    assert first.digest(first.labels) == again.digest(again.labels) != other.digest(other.labels)
    assert first.digest(first.labels) != seen().digest(LABELS)
