"""Watching a stage from inside its checkpoints: what was seen travels with the weights, and may end the stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

_PREFIX = "observer/"


class Observer(Protocol):
    """Looks at the method of a stage; must not change it. A resumed stage has seen as much as an uninterrupted one."""

    def begin(self) -> None:
        """Called before the first update; not when the stage goes on from a checkpoint."""
        ...

    def after_step(self, step: int) -> bool:
        """Hears of update ``step`` (from 0); whether the stage ends with it."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that it has seen, by name."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of ``state``."""
        ...


def observed(observers: Mapping[str, Observer]) -> dict[str, Tensor]:
    """What observers have seen, by the names that it has in a file beside weights."""
    states = {f"{_PREFIX}{name}/": observer.state() for name, observer in observers.items()}
    return {f"{prefix}{key}": tensor for prefix, state in states.items() for key, tensor in state.items()}


def restore_observers(observers: Mapping[str, Observer], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give observers their tensors of a file; returns the others."""
    for name, observer in observers.items():
        prefix = f"{_PREFIX}{name}/"
        observer.restore({key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)})
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(_PREFIX)}
