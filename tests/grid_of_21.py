"""A grid of the usual size, seven configs of three seeds, that trains in minutes; and how its results are compared."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from dlth_bench.engines.batch import Grid
from dlth_bench.engines.engine import Event, Finished
from dlth_bench.engines.local import LocalEngine
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import Duration
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from tiny_grid import SUBSET

IMAGES_PER_CLASS = 16
BATCH = 32


def small_grid() -> tuple[Grid, list[Run]]:
    """The methods and networks of glyphs-ssl, on a few images of four letters, with a short evaluation."""
    shipped = find_protocol("glyphs-ssl")
    data = shipped.data.model_copy(update={"images_per_class": IMAGES_PER_CLASS})
    configs = tuple(map(with_small_probe, shipped.configs))
    protocol: Protocol = shipped.model_copy(update={"data": data, "configs": configs, "reference": None})
    runs = grid_runs(protocol, SUBSET)
    if len(runs) != 21:
        raise ValueError(f"glyphs-ssl has {len(runs)} runs; this grid was to have 21")
    return Grid(purpose="run", protocol=protocol, subset=SUBSET, subset_name="letters"), runs


def with_small_probe(config: Config) -> Config:
    """The config with batches in its evaluation that so few images fill."""
    if config.evaluation is None:
        return config
    train = config.evaluation.train.model_copy(update={"batch_size": BATCH, "duration": Duration(epochs=8.0)})
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"train": train})})


def numbers(result: Result) -> dict[str, object]:
    """All of a result that must be the same wherever, and however often interrupted, its run was trained."""
    if result.status != "finished":
        raise ValueError(f"{result.config} seed {result.seed} {result.status}: {result.reason}")
    document = json.loads(result.model_dump_json(exclude={"peak_memory_bytes", "environment"}))
    document["cost"].pop("device_seconds")
    return document


def numbers_of(events: Iterable[Event]) -> dict[str, dict[str, object]]:
    """The results among an engine's events, by their runs; each run has one."""
    found: dict[str, dict[str, object]] = {}
    for event in events:
        if isinstance(event, Finished):
            if event.run.digest in found:
                raise ValueError(f"{event.run.label} was told twice")
            found[event.run.digest] = numbers(event.result)
    return found


def trained_here(runs: Iterable[Run], folder: Path, workers: int = 2) -> dict[str, dict[str, object]]:
    """The same of runs that the local engine trains, undisturbed."""
    return numbers_of(LocalEngine(Store(folder), workers=workers, device="cpu").run_all(list(runs)))
