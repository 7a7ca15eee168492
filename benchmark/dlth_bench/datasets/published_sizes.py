"""How many samples the datasets have that are not shipped, as their publications say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedSize:
    """A dataset's numbers of samples.

    Attributes:
        train: training samples in all.
        train_of_class: fewest and most of one class.
        val_of_class: validation samples of each class.
    """

    train: int
    train_of_class: tuple[int, int]
    val_of_class: int


PUBLISHED = {
    "agnews": PublishedSize(120_000, (30_000, 30_000), 1_900),  # Zhang et al. 2015 (arXiv:1509.01626)
    "cifar10": PublishedSize(50_000, (5_000, 5_000), 1_000),  # Krizhevsky 2009
    "cifar100": PublishedSize(50_000, (500, 500), 100),  # Krizhevsky 2009
    # ILSVRC 2012: Russakovsky et al. 2015 (arXiv:1409.0575), table 2.
    "imagenet": PublishedSize(1_281_167, (732, 1_300), 50),
}

MOST_UNREADABLE = 0.01
"""Share of the images asked for that may be undecodable; above it something is wrong with a copy."""
