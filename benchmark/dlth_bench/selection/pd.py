"""PD: classes by the accuracy of one model on each (section 3.3 of the DLTH paper): easiest, hardest, and between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from dlth_bench.selection.accuracies import read_class_accuracies
from dlth_bench.selection.policy import Choice, Policy, Request, size_within
from dlth_bench.util.errors import InputError

Pattern = Literal["top", "mid", "bottom", "uniform"]

_PLACES: dict[str, Callable[[int, int], list[int]]] = {
    "top": lambda classes, size: list(range(size)),
    "mid": lambda classes, size: list(range((classes - size) // 2, (classes - size) // 2 + size)),
    "bottom": lambda classes, size: list(range(classes - size, classes)),
    "uniform": lambda classes, size: [(2 * place + 1) * classes // (2 * size) for place in range(size)],
}


def performance_driven(accuracies: Mapping[str, float], size: int, pattern: Pattern) -> tuple[str, ...]:
    """``size`` classes by their accuracy.

    Args:
        accuracies: accuracy of each class by its ID.
        pattern: ``top`` the easiest, ``bottom`` the hardest, ``mid`` those around the median, ``uniform`` evenly
            spaced over the ranking.

    Returns:
        IDs in sorted order. Classes of equal accuracy rank by ID, so that the choice is the same everywhere.

    Raises:
        InputError: ``size`` is not between 1 and the number of classes.
    """
    size_within(size, len(accuracies))
    ranked = sorted(accuracies, key=lambda class_id: (-accuracies[class_id], class_id))
    return tuple(sorted(ranked[place] for place in _PLACES[pattern](len(ranked), size)))


def _policy(pattern: Pattern, meaning: str) -> Policy[Request]:
    def choose(request: Request) -> Choice:
        if len(request.accuracies) != 1:
            raise InputError(f"pd-{pattern} takes one model; --accuracies is given {len(request.accuracies)} times")
        accuracies = read_class_accuracies(request.accuracies[0], request.catalog, request.model)
        chosen = performance_driven(accuracies, request.size, pattern)
        return Choice(chosen, {} if request.model is None else {"model": request.model})

    return Policy(f"pd-{pattern}", f"{meaning}, by one model's accuracies", choose, ("accuracies",), ("model",))


PD = (
    _policy("top", "the easiest classes"),
    _policy("mid", "the classes around the median"),
    _policy("bottom", "the hardest classes"),
    _policy("uniform", "classes evenly spaced from the easiest to the hardest"),
)
