"""The training samples of a dataset and how a user may name them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property


def classes_of(sample_ids: Iterable[str]) -> tuple[str, ...]:
    """The IDs of the classes that have at least one of the samples, sorted by code point."""
    return tuple(sorted({sample_id.partition("/")[0] for sample_id in sample_ids}))


@dataclass(frozen=True, eq=False)
class SampleCatalog:
    """The training samples that a subset may choose from; made for a million of them.

    Args:
        dataset: the dataset's name, e.g. ``glyphs``.
        sample_ids: ``<class ID>/<name>`` with no other slash and no white space, in the dataset's own order, each once.
        labels: of each sample, the position of its class in ``class_ids``; an ``array.array``, which numpy reads
            without a copy.
        class_ids: in the dataset's own order.
        images_per_class: the samples are the first so many of each class; None: all.

    Raises:
        ValueError: not as many labels as samples.
    """

    dataset: str
    sample_ids: tuple[str, ...]
    labels: Sequence[int]
    class_ids: tuple[str, ...]
    images_per_class: int | None = None

    def __post_init__(self) -> None:
        if len(self.sample_ids) != len(self.labels):
            raise ValueError(f"{self.dataset} has {len(self.sample_ids)} samples but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.sample_ids)

    def index(self, sample_id: str) -> int | None:
        """The position of a sample; None when there is none of that ID."""
        return self._by_id.get(sample_id)

    def closest(self, sample_id: str) -> str | None:
        """The sample whose ID is nearest to an unknown one, for a "did you mean"; of its class, or of the nearest."""
        class_id = sample_id.partition("/")[0]
        classes = difflib.get_close_matches(class_id, self.class_ids, n=1, cutoff=0.7)
        if not classes:
            return None
        label = self.class_ids.index(classes[0])
        candidates = (known for known, own in zip(self.sample_ids, self.labels, strict=True) if own == label)
        matches = difflib.get_close_matches(sample_id, candidates, n=1, cutoff=0.7)
        return matches[0] if matches else None

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {sample_id: position for position, sample_id in enumerate(self.sample_ids)}
