"""What each engine costs a run: 500 runs that do nothing, timed from the first result to the last.

    python tests/speed/engine_overhead.py [--runs 500] [--engines local ray slurm] [--workers 2]

Training is replaced by a made-up result in whatever process an engine uses, by a module that Python imports when it
starts; all else is as it is: claim, attempt, heartbeat, result file, and word to the command that waits. Start-up, to
the first result, is told beside it. Results are written to disk (fsync), so the disk counts; TMPDIR says which.
Slurm takes 500 runs in jobs of 50, as it would take short ones.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from dlth_bench.harness.batch import Grid
from dlth_bench.harness.engines.events import Finished
from dlth_bench.harness.engines.registry import EngineSettings, make_engine
from dlth_bench.harness.grid import grid_runs
from dlth_bench.harness.store import Store
from dlth_bench.spec.protocol_file import find_protocol
from dlth_bench.spec.subset import Subset

NO_TRAINING = """
import importlib.abc, importlib.util, sys

class Replace(importlib.abc.MetaPathFinder):
    '''Puts a training that does nothing in place of the real one, when that is first imported.'''
    def find_spec(self, name, path, target=None):
        if name != "dlth_bench.harness.attempt":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            from dlth_bench.spec.protocol import Cost
            from dlth_bench.spec.result import Result
            def trained(run, folder, **settings):
                cost = Cost(images=1, flops=1.0, device_seconds=0.0)
                return Result(run=run.digest, config=run.config.name, seed=run.seed, status="finished", accuracy=0.5,
                              cost=cost)
            module._trained = trained
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Replace())
"""
OPTIONS = {"local": (), "ray": (), "slurm": ("time=10", "grace=30", "pack=50")}


def measure(engine: str, count: int, workers: int, folder: Path) -> list[object]:
    """Engine, seconds to the first result, and milliseconds a run from there on."""
    protocol = find_protocol("glyphs-ssl")
    subset = Subset(dataset="glyphs", ids=tuple(f"U+{number:04X}" for number in range(0x41, 0x41 + 12)))
    config = protocol.configs[0].name
    runs = grid_runs(protocol, subset, configs=[config], seeds=range(count))
    grid = Grid(purpose="run", protocol=protocol, subset=subset, subset_name="letters")
    settings = EngineSettings(
        Store(folder / engine), grid, workers=workers, device="cpu", seconds={run.digest: 60.0 for run in runs},
        options=OPTIONS[engine],
    )  # fmt: skip
    begun, first, results = time.perf_counter(), 0.0, 0
    for event in make_engine(engine, settings).run_all(runs):
        if isinstance(event, Finished):
            first = first or time.perf_counter()
            results += event.result.status == "finished"
    ended = time.perf_counter()
    if results != count:
        raise RuntimeError(f"{engine}: {results} of {count} runs finished")
    return [engine, first - begun, 1000 * (ended - first) / (count - 1), ended - begun]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=["local"], choices=sorted(OPTIONS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(NO_TRAINING)
        os.environ["PYTHONPATH"] = os.pathsep.join([name, os.environ.get("PYTHONPATH", "")])
        rows = [measure(engine, arguments.runs, arguments.workers, folder) for engine in arguments.engines]
    headers = ["engine", "first result (s)", "then ms a run", f"{arguments.runs} runs (s)"]
    sys.stdout.write(tabulate(rows, headers=headers, floatfmt=".2f") + "\n")


if __name__ == "__main__":
    main()
