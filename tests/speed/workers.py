"""Scaling over worker processes, memory and start-up of the local engine.

    python tests/speed/workers.py [--workers 1 2] [--runs 4] [--config moco-v1-short] [--classes 12]

Trains the same runs with each number of workers in a fresh store. ``CPU s`` is the processor time of all processes,
which other load does not change much; with idle cores ``wall s`` falls as workers come. Start-up is the fastest of five
calls of ``dlth-bench --help``, and the time from starting an engine to its first word from a training loop.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.harness.engines.events import Finished
from dlth_bench.harness.engines.local import LocalEngine
from dlth_bench.harness.grid import grid_runs
from dlth_bench.harness.store import Store
from dlth_bench.spec.protocol_file import find_protocol
from dlth_bench.spec.run import Run
from dlth_bench.spec.subset import Subset


def trained(runs: list[Run], workers: int, folder: Path) -> list[object]:
    """A row of the table: workers, wall and CPU seconds, seconds to the first word, GiB of the largest worker."""
    before, began, first, peak = os.times(), time.perf_counter(), 0.0, 0
    for event in LocalEngine(Store(folder / str(workers)), workers=workers, device="cpu").run_all(runs):
        first = first or time.perf_counter() - began
        if isinstance(event, Finished):
            if event.result.status != "finished":
                raise RuntimeError(f"{event.run.label}: {event.result.reason}")
            peak = max(peak, event.result.peak_memory_bytes)
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return [workers, wall, cpu, first, peak / 2**30]


def help_seconds() -> float:
    """Of the command alone, with nothing to do; the fastest of five."""
    command = [sys.executable, "-m", "dlth_bench.cli.main", "--help"]
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--config", default="moco-v1-short")
    parser.add_argument("--classes", type=int, default=12)
    asked = parser.parse_args()
    protocol = find_protocol("glyphs-ssl@3")
    subset = Subset(dataset="glyphs", ids=class_catalog("glyphs").ids[: asked.classes])
    runs = grid_runs(protocol, subset, seeds=range(asked.runs), configs=[asked.config])
    with tempfile.TemporaryDirectory() as folder:
        rows = [trained(runs, workers, Path(folder)) for workers in asked.workers]
    headers = ["workers", "wall s", "CPU s", "first word (s)", "GiB a worker"]
    sys.stdout.write(tabulate(rows, headers, floatfmt=".2f") + f"\ndlth-bench --help: {help_seconds():.2f} s\n")


if __name__ == "__main__":
    main()
