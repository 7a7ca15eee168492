"""What an engine is: its events, settings and ``key=value`` options; and the table of engines."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Protocol, cast

from dlth_bench.engines.batch import Grid
from dlth_bench.runs.run import Result, Run, Tuning
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Registry, import_attribute
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


@dataclass(frozen=True, kw_only=True)
class EngineEntry:
    """One engine.

    Attributes:
        name: as typed.
        make: ``package.module:name`` of what makes it, called with `EngineSettings`.
        library: that it needs, which the package's extra of the engine's name installs; empty: none.
        on_this_machine: whether runs are trained here, so that the device is looked for and the workers are counted
            here, and steps can be tuned; else a cluster decides.
        detaches: whether runs go on without the command that handed them over.
    """

    name: str
    make: str
    library: str = ""
    on_this_machine: bool = False
    detaches: bool = False


ENGINES: Registry[EngineEntry] = Registry(
    "engine",
    (
        EngineEntry(name="local", make="dlth_bench.engines.local:local_engine", on_this_machine=True),
        EngineEntry(name="slurm", make="dlth_bench.engines.slurm:slurm_engine", library="submitit", detaches=True),
        EngineEntry(name="ray", make="dlth_bench.engines.ray:ray_engine", library="ray"),
    ),
)
"""All engines; another one is a module that makes it, and its place here."""


def check_engine(name: str) -> EngineEntry:
    """The engine of a name, if it can be used here.

    Raises:
        InputError: there is none of that name, or the library that it needs is not installed.
    """
    if name not in ENGINES:
        raise InputError(f"--engine: {quoted(name)} is none of {', '.join(ENGINES)}")
    entry = ENGINES[name]
    if entry.library and find_spec(entry.library) is None:
        raise InputError(f"--engine {name} needs {entry.library}: pip install 'dlth-bench[{name}]'")
    return entry


def make_engine(name: str, settings: EngineSettings) -> Engine:
    """The engine of a name.

    Raises:
        InputError: no such engine, its library is missing, or an option is not one of its own.
    """
    entry = check_engine(name)
    if not entry.on_this_machine and settings.tuning != Tuning():
        raise InputError(f"--engine {name}: {settings.tuning.text} is for the local engine; see docs/scale.md")
    return cast("Engine", import_attribute(entry.make)(settings))


DEVICES = ("auto", "cpu", "cuda", "mps")


def check_device(device: str, *, here: bool = True) -> str:
    """The device's name.

    Args:
        here: whether it must be in this machine.

    Raises:
        InputError: it is none of those there are, or not in this machine.
    """
    if device not in DEVICES:
        raise InputError(f"--device: {quoted(device)} is none of {', '.join(DEVICES)}")
    if here and device in {"cuda", "mps"}:
        import torch  # slow to import, and a run that finds no device has failed

        if not (torch.cuda if device == "cuda" else torch.backends.mps).is_available():
            raise InputError(f"--device: torch finds no {device} here; --device auto takes what there is")
    return device
