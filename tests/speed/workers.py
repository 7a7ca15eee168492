"""Scaling over worker processes, memory and start-up of the local engine, on the cores or side by side on one GPU.

    python tests/speed/workers.py [--workers 1 2] [--runs 4] [--config moco-v1-short] [--classes 12]
    python tests/speed/workers.py --device cuda --workers 1 2 4 8

Trains the same runs with each number of workers in a fresh store, as ``dlth-bench run --workers`` does; on a machine of
several GPUs all of them on the first. ``images/s`` are those of all runs together, pretraining and evaluation, from the
first word of a training loop to the last result. ``CPU s`` is the processor time of all processes, which other load
does not change much; with idle cores ``wall s`` falls as workers come. Start-up is the fastest of five calls of
``dlth-bench --help``, and the time from starting an engine to its first word from a training loop.
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
from dlth_bench.engines.engine import Finished
from dlth_bench.engines.local import LocalEngine, visible_gpus
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import Subset

HEADERS = ["workers", "images/s", "x of the first", "wall s", "CPU s", "first word (s)", "GiB a worker"]


def trained(runs: list[Run], workers: int, device: str, folder: Path) -> list[float]:
    """A row of the table without its third column; GiB are of the largest worker, on a GPU of its memory there."""
    before, began, first, peak, images = os.times(), time.perf_counter(), 0.0, 0, 0
    engine = LocalEngine(Store(folder / str(workers)), workers=workers, device=device, gpus=visible_gpus(device)[:1])
    for event in engine.run_all(runs):
        first = first or time.perf_counter() - began
        if isinstance(event, Finished):
            if event.result.status != "finished":
                raise RuntimeError(f"{event.run.label}: {event.result.reason}")
            images += event.result.cost.images if event.result.cost is not None else 0
            peak = max(peak, event.result.peak_memory_bytes)
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return [workers, images / (wall - first), wall, cpu, first, peak / 2**30]


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
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, help="at least one a worker, better a multiple; 4, or the most workers")
    parser.add_argument("--config", default="moco-v1-short")
    parser.add_argument("--classes", type=int, default=12)
    asked = parser.parse_args()
    protocol = find_protocol("glyphs-ssl@3")
    subset = Subset(dataset="glyphs", ids=class_catalog("glyphs").ids[: asked.classes])
    count = asked.runs or max(4, *asked.workers)
    runs = grid_runs(protocol, subset, seeds=range(count), configs=[asked.config])
    rows: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for workers in asked.workers:
            number, rate, *others = trained(runs, workers, asked.device, Path(folder))
            rows.append([number, rate, rate / rows[0][1] if rows else 1.0, *others])
    sys.stdout.write(tabulate(rows, HEADERS, floatfmt=".2f") + f"\ndlth-bench --help: {help_seconds():.2f} s\n")


if __name__ == "__main__":
    main()
