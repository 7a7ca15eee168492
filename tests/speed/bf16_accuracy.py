"""Whether bf16 moves accuracies beyond seed noise: the same runs in single precision and in bf16.

    python tests/speed/bf16_accuracy.py --out STORE [--protocol glyphs-ssl@3] [--subset rs-0] [--configs ...]
        [--workers 1]

Both stages of a config are trained in bf16. Runs that are in the store are not trained again, so that it goes on where
it was stopped. The interval is Welch's, at 95 %, of the difference in points; `beyond noise` says that it excludes 0,
which of seven configs one does by chance in three of ten cases.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import fmean, stdev

from precisions import in_precision
from scipy.stats import ttest_ind
from tabulate import tabulate

from dlth_bench.engines.engine import Finished
from dlth_bench.engines.local import LocalEngine
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.plan import chosen_configs, grid_runs, subset_for
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store


def accuracies(runs: list[Run], store: Store, workers: int) -> list[float]:
    """Of all runs, in percent; those that have no result are trained."""
    missing = [run for run in runs if store.result(run.digest) is None]
    for event in LocalEngine(store, workers=workers, device="cpu").run_all(missing):
        if isinstance(event, Finished):
            sys.stderr.write(f"{event.run.label}: {event.result.status}\n")
    results = [store.result(run.digest) for run in runs]
    return [100 * result.accuracy for result in results if result is not None and result.accuracy is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="store of the results")
    parser.add_argument("--protocol", default="glyphs-ssl@3")
    parser.add_argument("--subset", default="rs-0")
    parser.add_argument("--configs", nargs="+", help="all by default")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    protocol, store, rows = find_protocol(asked.protocol), Store(asked.out), []
    subset = subset_for(asked.subset, protocol).subset
    for config in chosen_configs(protocol, asked.configs):
        both = []
        for precision in ("single", "bf16"):
            changed = protocol.model_copy(update={"configs": (in_precision(config, precision),)})
            both.append(accuracies(grid_runs(changed, subset), store, asked.workers))
        single, half = both
        low, high = ttest_ind(half, single, equal_var=False).confidence_interval()
        shown = [f"{fmean(each):.1f} ± {stdev(each):.1f}" for each in both]
        gain = f"{fmean(half) - fmean(single):+.1f} [{low:+.1f}, {high:+.1f}]"
        rows.append([config.name, *shown, gain, "no" if low <= 0 <= high else "yes"])
        headers = ["config", "single", "bf16", "difference, points", "beyond noise"]
        sys.stdout.write(tabulate(rows, headers) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
