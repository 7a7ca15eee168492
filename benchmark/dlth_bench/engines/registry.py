"""Engines and devices by name. An engine's module and library are imported when the engine is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import cast

from dlth_bench.engines.engine import Engine, EngineSettings
from dlth_bench.runs.run import Tuning
from dlth_bench.util.errors import InputError
from dlth_bench.util.registry import Registry, import_attribute
from dlth_bench.util.text import quoted


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
