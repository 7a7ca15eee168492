"""Selection policies: the same choice everywhere, and the one that was asked for."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest

from dlth_bench.selection.pd import Pattern, performance_driven
from dlth_bench.selection.random import random_classes
from dlth_bench.subsets.find import find_subset
from dlth_bench.util.errors import InputError

IDS = tuple("fbdacegh")
ACCURACIES = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5, "f": 0.4, "g": 0.3, "h": 0.2}


@pytest.mark.parametrize("seed", range(6))
def test_shipped_random_lists_can_be_drawn_again(seed: int) -> None:
    """A seed names a subset for good: the shipped lists come out of the command that their cards name."""
    shipped = find_subset(f"rs-{seed}", "glyphs")
    assert random_classes(shipped.catalog.ids, len(shipped.subset), seed) == shipped.subset.ids


@pytest.mark.parametrize("size", range(1, 9))
def test_random_draw_is_a_sorted_set(size: int) -> None:
    """So many different classes of the list, in sorted order."""
    drawn = random_classes(IDS, size, seed=3)
    assert len(set(drawn)) == size
    assert set(drawn) <= set(IDS)
    assert list(drawn) == sorted(drawn)


def test_random_draws_favour_no_set() -> None:
    """Over many seeds each pair of classes comes up about equally often."""
    counts = Counter(random_classes(IDS, 2, seed) for seed in range(2800))
    assert set(counts) == set(combinations(sorted(IDS), 2))
    assert max(counts.values()) < 150  # 100 expected; fixed seeds, so no luck is needed
    assert min(counts.values()) > 60


@pytest.mark.parametrize(
    ("pattern", "size", "chosen"),
    [
        ("top", 3, "abc"),
        ("bottom", 3, "fgh"),
        ("mid", 4, "cdef"),
        ("mid", 3, "cde"),
        ("uniform", 4, "bdfh"),
        ("uniform", 2, "cg"),
        ("top", 1, "a"),
        ("bottom", 1, "h"),
    ],
)
def test_patterns(pattern: Pattern, size: int, chosen: str) -> None:
    """Easiest, hardest, around the median, or spread over the ranking, whatever the order of the table."""
    shuffled = list(ACCURACIES.items())
    random.Random(1).shuffle(shuffled)
    assert performance_driven(dict(shuffled), size, pattern) == tuple(chosen)


@pytest.mark.parametrize("pattern", ["top", "mid", "bottom", "uniform"])
@pytest.mark.parametrize("size", range(1, 9))
def test_patterns_choose_different_classes(pattern: Pattern, size: int) -> None:
    """Every pattern gives so many different classes, up to all of them."""
    assert len(set(performance_driven(ACCURACIES, size, pattern))) == size


def test_equal_accuracies_rank_by_id() -> None:
    """A tie is broken in the same way on every machine."""
    tied = dict.fromkeys(IDS, 0.5)
    assert performance_driven(tied, 2, "top") == ("a", "b")
    assert performance_driven(tied, 2, "bottom") == ("g", "h")


@pytest.mark.parametrize("size", [-1, 0, 9])
def test_impossible_size(size: int) -> None:
    """A size that the dataset does not have is refused with how many there are."""
    for choose in (lambda: random_classes(IDS, size, 0), lambda: performance_driven(ACCURACIES, size, "top")):
        with pytest.raises(InputError, match=f"size {size}: there are 8 classes"):
            choose()
