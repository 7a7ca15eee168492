"""Per-class accuracies from what training left: runs of the store, and a protocol's results on all classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.protocol_file import find_protocol
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run
from dlth_bench.spec.stored_run import read_stored_run
from dlth_bench.spec.text_file import LINE_BREAK, read_text_file

_MAX_BYTES = 64 << 20
"""A result on 1000 classes has some 40 kB; a grid has dozens of them."""


def names_a_stored_run(path: Path) -> bool:
    """Whether the path is of a run in the store: its folder, or its result file."""
    return path.is_dir() or path.suffix.lower() == ".json"


def read_run_model(path: Path, catalog: ClassCatalog) -> dict[str, dict[str, float]]:
    """The accuracies of a stored run as a pool of one, called by config and seed.

    Raises:
        InputError: it is no stored run, did not finish, was edited, or is of another dataset or not of all classes.
    """
    stored = read_stored_run(path)
    source, dataset = stored.result_path, stored.run.data.dataset
    if dataset != catalog.dataset:
        raise InputError(f"is of a run on {dataset}, not on {catalog.dataset}", source=source)
    accuracies = stored.class_accuracies()
    missing = [class_id for class_id in catalog.ids if class_id not in accuracies]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        message = f"is of a run on {len(accuracies)} of the {len(catalog)} classes of {dataset}; missing: {shown}"
        raise InputError(message, source=source)
    return {stored.run.label: accuracies}


def read_reference_models(path: Path, catalog: ClassCatalog) -> dict[str, dict[str, float]]:
    """The configs of ``<protocol>@<version>.jsonl``, results on all classes: the mean over seeds of each.

    The name tells the protocol, without which a result does not say which classes it is of.

    Raises:
        InputError: no such protocol, another dataset, or no finished result of it on all classes.
    """
    results = read_results(path)
    try:
        protocol = find_protocol(path.stem)
    except InputError as error:
        message = f"must be called by its protocol, such as glyphs-ssl@1.jsonl: {error.message}"
        raise InputError(message, source=path) from None
    if protocol.data.dataset != catalog.dataset:
        message = f"is of {protocol.key}, on {protocol.data.dataset} and not on {catalog.dataset}"
        raise InputError(message, source=path)
    found = {config.name: _means(protocol, config.name, results, catalog) for config in protocol.configs}
    models = {name: means for name, means in found.items() if means is not None}
    if not models:
        raise InputError(f"has no finished run of {protocol.key} on all {len(catalog)} classes", source=path)
    return models


def read_results(path: Path) -> list[Result]:
    """Results from a file with one JSON a line.

    Raises:
        InputError: no such file, or with its line, a line that is not a result.
    """
    results = []
    for number, line in enumerate(LINE_BREAK.split(read_text_file(path, _MAX_BYTES)), 1):
        if not line:
            continue
        try:
            results.append(Result.model_validate_json(line))
        except ValidationError as error:
            problem = printable(error.errors()[0]["msg"], 120)
            raise InputError(f"not a result: {problem}", source=path, line=number) from None
    return results


def mean_class_accuracies(
    protocol: Protocol, config: str, results: Iterable[Result], catalog: ClassCatalog
) -> dict[str, float]:
    """Accuracy of each class by its ID, the mean over the config's seeds on all classes.

    Raises:
        InputError: the results hold no finished run of the config on all classes.
    """
    means = _means(protocol, config, results, catalog)
    if means is None:
        raise InputError(f"no finished run of '{config}' of {protocol.key} on all {len(catalog)} classes")
    return means


def _means(
    protocol: Protocol, config: str, results: Iterable[Result], catalog: ClassCatalog
) -> dict[str, float] | None:
    ids = tuple(sorted(catalog.ids))
    recipe = protocol.config(config)
    runs = (Run(data=protocol.data, config=recipe, class_ids=ids, seed=seed) for seed in protocol.seeds)
    wanted = {run.digest for run in runs}
    rows = [
        result.class_accuracy
        for result in results
        if result.run in wanted and result.status == "finished" and len(result.class_accuracy) == len(ids)
    ]
    if not rows:
        return None
    import numpy as np  # slow to load, and the command line lists the policies at every start

    means = np.asarray(rows, dtype=np.float64).mean(axis=0)
    return {class_id: float(mean) for class_id, mean in zip(ids, means, strict=True)}
