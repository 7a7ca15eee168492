"""What of the full data's training a subset takes the place of."""

from __future__ import annotations

from typing import Literal

Replaced = Literal["training", "search", "sparse_training", "probe"]
"""``training``: the data of every phase. ``search``: of the search for a ticket, up to its mask and the weights of the
rewind point; the ticket is then trained on the full data. ``sparse_training``: of the training of a ticket that was
found on the full data. ``probe``: of the probe on features that were learned, or a ticket that was found, on the full
data. The full data of a sample subset are all samples of its classes."""

Phase = Literal["search", "sparse_training", "probe"]
PHASES: tuple[Phase, ...] = ("search", "sparse_training", "probe")


def on_subset(phase: Phase, replaced: Replaced) -> bool:
    """Whether a phase takes the subset rather than the full data; a dense training is of the phase ``search``."""
    return replaced in ("training", phase)


REPLACED_TEXT: dict[Replaced, str] = {
    "training": "the data of every phase",
    "search": "the data of the search for the ticket; it is trained on the full data",
    "sparse_training": "the data that train the ticket; it is searched for on the full data",
    "probe": "the data of the probe; what it looks at is of the full data",
}
"""How it is told to a reader: what the subset replaces."""
