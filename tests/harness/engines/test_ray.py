"""The Ray engine on two simulated nodes: a lost node costs time, and no number."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dlth_bench.harness.attempts import read_attempts
from dlth_bench.harness.batch import Grid
from dlth_bench.harness.engines.events import Finished
from dlth_bench.harness.engines.local import LocalEngine
from dlth_bench.harness.engines.ray import RayEngine
from dlth_bench.harness.engines.ray_options import RayOptions
from dlth_bench.harness.engines.registry import EngineSettings
from dlth_bench.harness.plan import Plan
from dlth_bench.harness.store import Store
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.result import Result
from tiny_grid import SUBSET

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs; tests add nodes."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def outcome(result: Result) -> dict[str, object]:
    """All of a result that must be the same wherever its run was trained."""
    document = json.loads(result.model_dump_json(exclude={"peak_memory_bytes", "environment"}))
    document["cost"].pop("device_seconds")
    return document


@pytest.mark.slow
def test_a_lost_node_changes_no_number(cluster: Any, plan: Plan, tiny: Protocol, store: Store) -> None:
    """The runs of a killed node are trained on the other, and end bit for bit as the local engine's."""
    runs = plan.runs[:2]
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    grid = Grid(purpose="run", protocol=tiny, subset=SUBSET, subset_name="letters")
    settings = EngineSettings(store, grid, device="cpu")
    engine = RayEngine(settings, RayOptions(address=cluster.address), poll_seconds=0.05, checkpoint_seconds=0.0)

    def kill_a_node() -> None:
        while not all(read_attempts(store.folder(run.digest)) for run in runs):
            time.sleep(0.05)
        cluster.remove_node(nodes[0], allow_graceful=False)

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    results = {each.run.digest: outcome(each.result) for each in engine.run_all(runs) if isinstance(each, Finished)}
    killer.join()
    attempts = [len(read_attempts(store.folder(run.digest))) for run in runs]
    assert sorted(attempts) == [1, 2]
    here = LocalEngine(Store(store.root.parent / "local"), workers=1, device="cpu")
    expected = {each.run.digest: outcome(each.result) for each in here.run_all(runs) if isinstance(each, Finished)}
    assert results == expected


def test_no_cluster_at_the_address(plan: Plan, tiny: Protocol, store: Store) -> None:
    """A wrong address is one line, and nothing is left in the store."""
    grid = Grid(purpose="run", protocol=tiny, subset=SUBSET, subset_name="letters")
    engine = RayEngine(EngineSettings(store, grid), RayOptions(address="127.0.0.1:1"))
    with pytest.raises(InputError, match="no cluster at '127"):
        list(engine.run_all(plan.runs))
    assert not store.root.exists()
