"""The Ray engine: a small cluster trains what the local engine trains, and a lost node costs time, and no number."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dlth_bench.engines.attempt import read_attempts
from dlth_bench.engines.batch import Grid
from dlth_bench.engines.engine import EngineSettings
from dlth_bench.engines.ray import RayEngine, RayOptions
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import Plan
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from grid_of_21 import numbers_of, small_grid, trained_here
from tiny_grid import SUBSET

ray = pytest.importorskip("ray")


@pytest.fixture
def grid(tiny: Protocol) -> Grid:
    return Grid(purpose="run", protocol=tiny, subset=SUBSET, subset_name="letters")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head without CPUs; tests add nodes."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def ray_here() -> Iterator[None]:
    """Ray on this machine, with one CPU."""
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_a_run_on_ray_is_the_local_engines_and_is_not_repeated(
    ray_here: None, grid: Grid, plan: Plan, store: Store
) -> None:
    """The result is the local engine's, bit for bit; handed in again it is the stored one, with nothing trained."""
    run = next(run for run in plan.runs if run.config.name == "supervised")
    engine = RayEngine(EngineSettings(store, grid, device="cpu"), RayOptions(), poll_seconds=0.05)
    found = numbers_of(engine.run_all([run]))
    assert numbers_of(engine.run_all([run])) == found
    assert len(read_attempts(store.folder(run.digest))) == 1
    assert found == trained_here([run], store.root.parent / "local", workers=1)


@pytest.mark.slow
def test_a_grid_survives_a_node(cluster: Any, store: Store) -> None:
    """One of two nodes is killed while both train: the 21 runs are completed, equal to the local engine's."""
    grid, runs = small_grid()
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    settings = EngineSettings(store, grid, device="cpu")
    engine = RayEngine(settings, RayOptions(address=cluster.address), poll_seconds=0.05, checkpoint_seconds=0.0)

    def kill_a_node() -> None:
        while len(in_training(store, runs)) < 2:
            time.sleep(0.02)
        cluster.remove_node(nodes[0], allow_graceful=False)

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    found = numbers_of(engine.run_all(runs))
    killer.join()
    assert sum(len(read_attempts(store.folder(run.digest))) for run in runs) > len(runs)
    assert found == trained_here(runs, store.root.parent / "local")


def in_training(store: Store, runs: list[Run]) -> list[Run]:
    """The runs that were begun and have no result yet."""
    return [run for run in runs if read_attempts(store.folder(run.digest)) and store.settled(run.digest) is None]


def test_no_cluster_at_the_address(grid: Grid, plan: Plan, store: Store) -> None:
    """A wrong address is one line, and nothing is left in the store."""
    engine = RayEngine(EngineSettings(store, grid), RayOptions(address="127.0.0.1:1"))
    with pytest.raises(InputError, match="no cluster at '127"):
        list(engine.run_all(plan.runs))
    assert not store.root.exists()
