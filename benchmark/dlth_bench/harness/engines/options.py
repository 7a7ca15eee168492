"""Options of an engine, given as ``key=value``."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted

Pairs = list[tuple[str, str]]
"""Keys and values in the order given."""


def key_values(texts: Iterable[str], engine: str, keys: Sequence[str], prefix: str = "") -> Pairs:
    """``key=value`` texts as pairs.

    Args:
        keys: those that the engine has.
        prefix: a start of further keys that are not checked here; empty: there are none.

    Raises:
        InputError: no ``=``, or a key that the engine does not have.
    """
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise InputError(f"--engine-option: {quoted(text)} is not key=value")
        if key not in keys and not (prefix and key.startswith(prefix)):
            near = difflib.get_close_matches(key, keys, n=1)
            hint = f"did you mean {quoted(near[0])}?" if near else f"it has {', '.join(keys)}"
            more = f", and {prefix}NAME" if prefix and not near else ""
            raise InputError(f"--engine-option: {engine} has no option {quoted(key)}; {hint}{more}")
        if any(not character.isprintable() for character in value):
            raise InputError(f"--engine-option: {key} has a character that cannot be printed")
        pairs.append((key, value))
    return pairs


def number(key: str, text: str, *, least: float, most: float = math.inf) -> float:
    """A number within bounds.

    Raises:
        InputError: it is not.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most or math.isinf(value):
        bounds = f"of at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise InputError(f"--engine-option: {key}={quoted(text)} is not a number {bounds}")
    return value


def whole(key: str, text: str, *, least: int) -> int:
    """A whole number.

    Raises:
        InputError: it is not, or is too small.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
        raise InputError(f"--engine-option: {key}={quoted(text)} is not a whole number of at least {least}")
    return int(text)
