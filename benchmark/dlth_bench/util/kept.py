"""Methods whose values are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, TypeVarTuple

Owner = TypeVar("Owner")
Value = TypeVar("Value")
Given = TypeVarTuple("Given")


def kept(method: Callable[[Owner, *Given], Value]) -> Callable[[Owner, *Given], Value]:
    """Compute a method once for each object and arguments, as ``cached_property`` does where there are none."""
    name = f"_kept_{method.__name__}"

    @wraps(method)
    def once(self: Owner, *given: *Given) -> Value:
        values: dict[Any, Value] = self.__dict__.setdefault(name, {})
        if given not in values:
            values[given] = method(self, *given)
        return values[given]

    return once
