"""Watching a stage from inside its checkpoints: what was seen travels with the weights, and may end the stage."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

_PREFIX = "observer/"


class Observer(Protocol):
    """Looks at the method of a stage after each update; must not change it."""

    def after_step(self, step: int) -> bool:
        """Hears of update ``step`` (from 0); whether the stage ends with it."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that it has seen, by name."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of ``state``."""
        ...


def observer_state(observer: Observer | None) -> dict[str, Tensor]:
    """The tensors of an observer by the names that they have in a file beside those of weights; none without one."""
    return {} if observer is None else {f"{_PREFIX}{name}": tensor for name, tensor in observer.state().items()}


def restore_observer(observer: Observer | None, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give an observer its tensors of a file; returns the others."""
    own = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items() if name.startswith(_PREFIX)}
    if observer is not None:
        observer.restore(own)
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_PREFIX)}
