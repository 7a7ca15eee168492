"""A machine's GPUs are all used: runs trained at once are spread over them, each process seeing one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlth_bench.engines import local as module
from dlth_bench.engines.engine import Progressed
from dlth_bench.engines.local import LocalEngine, visible_gpus, worker_count
from dlth_bench.runs.plan import Plan
from dlth_bench.runs.store import Store


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The driver's folder of a machine with two GPUs, none of which is taken out by the environment."""
    for address in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / address).mkdir()
    monkeypatch.setattr(module, "DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_all_gpus_are_taken_unless_told_otherwise() -> None:
    """Two GPUs train two runs at once, a CPU run takes none, and ``--workers`` is obeyed."""
    assert visible_gpus() == ("0", "1")
    assert (worker_count(None, "auto"), worker_count(None, "cuda"), worker_count(5, "cuda")) == (2, 2, 5)
    assert visible_gpus("cpu") == ()


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("named", "found"),
    [("1", ("1",)), ("GPU-8f, GPU-1a", ("GPU-8f", "GPU-1a")), ("", ()), ("-1", ()), ("0,-1,1", ("0",))],
)
def test_what_the_environment_names(named: str, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedulers hand out GPUs by ``CUDA_VISIBLE_DEVICES``; no other is touched."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads the environment of processes from /proc")
def test_each_process_sees_one_gpu(plan: Plan, store: Store) -> None:
    """Three processes on two GPUs: both are used, and this process's own environment stays as it was."""
    before = dict(os.environ)
    engine = LocalEngine(store, workers=3, device="cpu", gpus=("4", "GPU-7"))
    events = engine.run_all(plan.runs)
    next(event for event in events if isinstance(event, Progressed))
    seen = []
    for worker in engine._pool:
        environment = Path(f"/proc/{worker.process.pid}/environ").read_bytes().split(b"\0")
        seen += [line.decode() for line in environment if line.startswith(b"CUDA_VISIBLE_DEVICES=")]
    events.close()
    assert sorted(seen) == [f"CUDA_VISIBLE_DEVICES={name}" for name in ("4", "4", "GPU-7")]
    assert dict(os.environ) == before
