"""Per-class accuracies of a protocol's configs on the full data, from the reference's results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from dlth_bench.harness.grid import full_data, grid_runs
from dlth_bench.shipped import shipped_folder
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.result import Result


def reference_results_path(protocol: Protocol) -> Path:
    """Where the package keeps the results behind a protocol's reference, one JSON a line."""
    return shipped_folder("protocols") / "references" / f"{protocol.key}.jsonl"


def read_results(path: Path) -> list[Result]:
    """Results from a file with one JSON a line.

    Raises:
        InputError: no such file, or with its line, a line that is not a result.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError("no such file; `dlth-bench reference --results` writes one", source=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as results: {error}", source=path) from None
    results = []
    for number, line in enumerate(lines, 1):
        try:
            results.append(Result.model_validate_json(line))
        except ValidationError as error:
            raise InputError(f"not a result: {error.errors()[0]['msg']}", source=path, line=number) from None
    return results


def mean_class_accuracies(protocol: Protocol, config: str, results: Iterable[Result]) -> dict[str, float]:
    """Accuracy of each class by its ID, the mean over the config's seeds on all classes.

    Raises:
        InputError: the results hold no finished run of the config on all classes.
    """
    subset = full_data(protocol)
    ids = subset.ids
    wanted = {run.digest for run in grid_runs(protocol, subset, configs=[config])}
    rows = [
        result.class_accuracy
        for result in results
        if result.run in wanted and result.status == "finished" and len(result.class_accuracy) == len(ids)
    ]
    if not rows:
        raise InputError(f"no finished run of '{config}' of {protocol.key} on all {len(ids)} classes")
    means = np.asarray(rows, dtype=np.float64).mean(axis=0)
    return {class_id: float(mean) for class_id, mean in zip(ids, means, strict=True)}
