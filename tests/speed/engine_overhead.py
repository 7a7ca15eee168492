"""What each engine costs a run: 500 runs that do nothing, in wall time and in processor time.

    python tests/speed/engine_overhead.py [--runs 500] [--engines local ray slurm] [--workers 2]

Training is replaced by a made-up result (tests/no_training); all else is as it is. Wall time is told from the first
result to the last, and the time to the first, which is that of starting processes, beside it. Processor time counts
the work of the processes that train and of the command that waits, from the first result on, so that other load on the
machine does not show in it. Results are written to disk safely (two calls of fsync a run), so the disk counts in wall
time; TMPDIR says which, and /dev/shm leaves it out. Slurm takes the runs in jobs of 50, as it takes short ones.

Afterwards the same runs are given to the engine again: it must train none.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from dlth_bench.engines.attempt import read_attempts
from dlth_bench.engines.batch import Grid
from dlth_bench.engines.engine import EngineSettings, Finished, make_engine
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import Subset

NO_TRAINING = Path(__file__).parents[1] / "no_training"
PACK = 50
OPTIONS = {"local": (), "ray": (), "slurm": ("time=10", "grace=30", f"pack={PACK}")}
SECONDS = 60.0
"""What a run is said to take, so that PACK minutes of them share a job of Slurm."""


def measure(engine: str, count: int, workers: int, folder: Path) -> list[object]:
    """A row of the table: engine, seconds to the first result, then wall and processor milliseconds a run."""
    protocol = find_protocol("glyphs-ssl")
    subset = Subset(dataset="glyphs", ids=tuple(f"U+{number:04X}" for number in range(0x41, 0x41 + 12)))
    runs = grid_runs(protocol, subset, configs=[protocol.configs[0].name], seeds=range(count))
    store = Store(folder / engine)
    grid = Grid(purpose="run", protocol=protocol, subset=subset, subset_name="letters")
    seconds = {run.digest: SECONDS for run in runs}
    settings = EngineSettings(store, grid, workers=workers, device="cpu", seconds=seconds, options=OPTIONS[engine])
    begun, first, results = time.perf_counter(), 0.0, list[Result]()
    for event in make_engine(engine, settings).run_all(runs):
        if isinstance(event, Finished):
            if not results:
                first, before = time.perf_counter(), time.process_time()
            results.append(event.result)
    ended, waiting = time.perf_counter(), time.process_time() - before
    check(engine, [result.status for result in results], runs, store)
    if engine == "local":  # a cluster's engines are not asked for what the plan has found in the store
        check(engine, [e.result.status for e in make_engine(engine, settings).run_all(runs) if isinstance(e, Finished)],
              runs, store)  # fmt: skip
    rest = count - 1
    return [engine, first - begun, 1000 * (ended - first) / rest, 1000 * waiting / rest, 1000 * working(results)]


def working(results: Sequence[Result]) -> float:
    """Processor seconds a run of the processes that train, over those that trained several."""
    clocks = defaultdict[str, list[float]](list)
    for result in results:
        clocks[result.reason].append(result.cost.device_seconds if result.cost else 0.0)
    several = [times for times in clocks.values() if len(times) > 1]
    between = sum(len(times) - 1 for times in several)
    return sum(max(times) - min(times) for times in several) / between if between else float("nan")


def check(engine: str, statuses: Sequence[str], runs: Sequence[Run], store: Store) -> None:
    """Refuse to tell the speed of an engine that lost a run, or trained one twice."""
    finished = statuses.count("finished")
    trained = sum(len(read_attempts(store.folder(run.digest))) for run in runs)
    if (len(statuses), finished, trained) != (len(runs),) * 3:
        raise RuntimeError(f"{engine}: {len(statuses)} results, {finished} finished, {trained} trained of {len(runs)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=["local"], choices=sorted(OPTIONS))
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(NO_TRAINING), os.environ.get("PYTHONPATH", "")])
    sys.stdout.write(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # Slurm's last job may still look into it
        rows = [measure(engine, arguments.runs, arguments.workers, Path(name)) for engine in arguments.engines]
    headers = ["engine", "first result (s)", "wall ms a run", "CPU ms a run, command", "CPU ms a run, worker"]
    sys.stdout.write(tabulate(rows, headers=headers, floatfmt=".2f") + "\n")
    sys.stdout.write(f"load average after: {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
