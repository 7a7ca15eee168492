"""What an engine is: its events, its settings, and options given as ``key=value``."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dlth_bench.engines.batch import Grid
from dlth_bench.runs.result import Result
from dlth_bench.runs.run import Run, Tuning
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted


@dataclass(frozen=True)
class Progressed:
    """A run is at ``step`` of ``total`` updates of one of its stages."""

    run: Run
    stage: str
    step: int
    total: int


@dataclass(frozen=True)
class Finished:
    """A run has its result, whatever its status."""

    run: Run
    result: Result


Event = Progressed | Finished


class Engine(Protocol):
    """Where runs are computed."""

    def run_all(self, runs: Sequence[Run]) -> Iterator[Event]:
        """Train all runs that the store has not settled; yields progress and, once a run, its result.

        Closing the iterator stops what would stop with this process; jobs in a queue go on.
        """
        ...


@dataclass(frozen=True)
class EngineSettings:
    """What every engine is told.

    Args:
        grid: what the runs are runs of.
        workers: runs trained at once, on a cluster jobs; None: the engine's own choice.
        seconds: expected time of runs, by digest; those that nobody measured are not in it.
        tuning: how the steps of each run are computed.
        options: of the engine, as ``key=value``.
    """

    store: Store
    grid: Grid
    workers: int | None = None
    device: str = "auto"
    keep_weights: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    tuning: Tuning = field(default_factory=Tuning)


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
