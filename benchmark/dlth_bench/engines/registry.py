"""The engines by name. A cluster's library is imported when its engine is asked for, and not before."""

from __future__ import annotations

from importlib.util import find_spec

from dlth_bench.engines.engine import Engine, EngineSettings
from dlth_bench.runs.run import Tuning
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted

ENGINES = ("local", "slurm", "ray")


def check_engine(name: str) -> str:
    """The engine's name.

    Raises:
        InputError: there is none of that name, or the library that it needs is not installed.
    """
    if name not in ENGINES:
        raise InputError(f"--engine: {quoted(name)} is none of {', '.join(ENGINES)}")
    library = {"slurm": "submitit", "ray": "ray"}.get(name)
    if library is not None and find_spec(library) is None:
        raise InputError(f"--engine {name} needs {library}: pip install 'dlth-bench[{name}]'")
    return name


def make_engine(name: str, settings: EngineSettings) -> Engine:
    """The engine of a name.

    Raises:
        InputError: no such engine, its library is missing, or an option is not one of its own.
    """
    check_engine(name)
    if name != "local" and settings.tuning != Tuning():
        raise InputError(f"--engine {name}: {settings.tuning.text} is for the local engine; see docs/scale.md")
    if name == "slurm":
        from dlth_bench.engines.slurm import SlurmEngine, slurm_options

        return SlurmEngine(settings, slurm_options(settings.options, settings.workers))
    if name == "ray":
        from dlth_bench.engines.ray import RayEngine, ray_options

        return RayEngine(settings, ray_options(settings.options, settings.workers))
    from dlth_bench.engines.local import LocalEngine, visible_gpus

    if settings.options:
        raise InputError("--engine-option: the local engine has none")
    if settings.tuning.devices > 1:
        from dlth_bench.engines.data_parallel import DataParallelEngine

        return DataParallelEngine(
            settings.store, settings.tuning, device=settings.device, keep_weights=settings.keep_weights
        )
    return LocalEngine(
        settings.store,
        workers=settings.workers or 1,
        device=settings.device,
        gpus=visible_gpus(settings.device),
        keep_weights=settings.keep_weights,
        tuning=settings.tuning,
    )
