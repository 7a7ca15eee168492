"""From stored results, or accuracies in a CSV file, to a scorecard or a protocol's reference.

Two layouts are understood. Long: columns ``config,accuracy``. Wide: one column a config. Both may
have columns ``seed`` and ``subset``. Of a protocol that ranks by another metric the numbers are that metric's, in its
unit; the column is called ``accuracy`` all the same. Accuracies are fractions, or percent when the header of the file
says so with a first line ``# percent``.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from dlth_bench.protocols.measurements import Metric
from dlth_bench.protocols.protocol import ConfigReference, Cost, Protocol, Reference
from dlth_bench.runs.plan import chosen_configs, full_data, grid_runs, stored_result
from dlth_bench.runs.run import TRAINING_VERSION, Result
from dlth_bench.runs.store import Store
from dlth_bench.scoring.correlation import FloatArray
from dlth_bench.scoring.pilot import PilotRuns
from dlth_bench.scoring.power import left_out, racing_note
from dlth_bench.scoring.score import Cell, NotScorable, make_scorecard
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import read_text_file
from dlth_bench.util.text import quoted


def stored_results(protocol: Protocol, subset: Subset, store: Store, exponent: float = 0.0) -> list[Result]:
    """The results that the store holds of the protocol's runs on the subset, by config and seed."""
    results = [stored_result(store, run) for run in grid_runs(protocol, subset, exponent=exponent)]
    return [result for result in results if result is not None]


def score_stored(protocol: Protocol, subset: Subset, store: Store, exponent: float = 0.0) -> Scorecard:
    """The scorecard of what the store holds of a subset; runs that are missing are named in it."""
    return score_results(protocol, subset, stored_results(protocol, subset, store, exponent), exponent)


def score_results(protocol: Protocol, subset: Subset, results: list[Result], exponent: float = 0.0) -> Scorecard:
    """The scorecard of given results of a subset, trained at the length of the exponent.

    Raises:
        NotScorable: they were not all trained on the same data.
    """
    found = _data_digest(protocol, results)
    cells: dict[str, list[Cell]] = {config.name: [] for config in protocol.configs}
    for result in results:
        cells[result.config].append(cell_of(result, protocol))
    card = make_scorecard(
        protocol, cells, subset_digest=subset.digest, classes=len(subset.class_ids), samples=subset.samples
    )
    notes = (*card.notes, *filter(None, [_about_racing(protocol, results)]))
    return card.model_copy(update={"manifest_digest": found, "exponent": exponent, "notes": notes})


def _about_racing(protocol: Protocol, results: list[Result]) -> str:
    found = {(result.config, result.seed): result.accuracy for result in results}
    names = [config.name for config in protocol.configs]
    runs = [[found.get((name, seed)) for seed in protocol.seeds] for name in names]
    return (
        racing_note(names, np.array(runs, dtype=np.float64)) if len(results) < len(names) * len(protocol.seeds) else ""
    )


def _data_digest(protocol: Protocol, results: list[Result]) -> str | None:
    """The manifest digest that the protocol and all results have in common; None when none of them says it."""
    frozen = protocol.data.manifest_digest
    digests = {digest for digest in (frozen, *(result.manifest_digest for result in results)) if digest is not None}
    if len(digests) > 1:
        listed = ", ".join(sorted(digest[:12] for digest in digests))
        raise NotScorable(f"the results are of different data: {protocol.data.dataset} with the digests {listed}")
    return next(iter(digests), None)


def cell_of(result: Result, protocol: Protocol) -> Cell:
    """What the score needs of a result; a run below the protocol's underfit gate says so."""
    if result.status != "finished":  # whatever numbers it left are not those of a finished run
        return Cell(result.seed, None, f"seed {result.seed} {result.status}: {result.reason}", result.cost)
    device = "" if result.environment is None else result.environment.device
    return Cell(result.seed, result.value(protocol.metric), _problem(result, protocol), result.cost, device)


def _problem(result: Result, protocol: Protocol) -> str:
    """Why a finished result must not be ranked; empty when it may."""
    if result.training_version != TRAINING_VERSION:
        return (
            f"seed {result.seed} was trained by version {result.training_version} of the loop, not {TRAINING_VERSION}"
        )
    if result.value(protocol.metric) is None:
        return f"seed {result.seed} does not say its {protocol.metric.name}"
    gate = protocol.underfit
    if gate is None:
        return ""
    if result.train_accuracy is None:
        return f"seed {result.seed} does not say its training accuracy, so it may underfit"
    if result.train_accuracy < gate.min_train_accuracy:
        return (
            f"seed {result.seed} underfits: training top-1 {result.train_accuracy:.3f} < {gate.min_train_accuracy:.3f}"
        )
    return ""


def full_data_results(
    protocol: Protocol, results: Iterable[Result], configs: Sequence[str] | None = None
) -> list[Result]:
    """The finished runs of the protocol on all classes among the results, under the protocol's config names.

    Args:
        configs: only these, by name; None: all.
    """
    names = {run.digest: run.config.name for run in grid_runs(protocol, full_data(protocol), configs=configs)}
    return [
        result.model_copy(update={"config": names[result.run]})
        for result in results
        if result.run in names and result.status == "finished"
    ]


def make_reference(protocol: Protocol, results: Sequence[Result], date: datetime.date | None = None) -> Reference:
    """The reference that finished runs on all classes amount to, with hardware, versions and commit.

    Args:
        date: day of the measurement; None: today.

    Raises:
        InputError: a config has fewer than three finished seeds that say the protocol's metric.
    """
    by_config: dict[str, list[Result]] = {config.name: [] for config in protocol.configs}
    for result in results:
        if result.status == "finished" and result.value(protocol.metric) is not None:
            by_config[result.config].append(result)
    for name, found in by_config.items():
        if len(found) < 3:
            raise InputError(f"{name} has {len(found)} finished seeds on all classes; a reference needs at least 3")
    environments = [found.environment for result in by_config.values() for found in result if found.environment]
    return Reference(
        source="measured with dlth-bench reference: all classes, last epoch, each seed its own run",
        date=date or datetime.datetime.now(tz=datetime.UTC).date(),
        hardware=_one_of([f"{found.device}, {found.threads} thread a run" for found in environments]),
        versions={
            "dlth-bench": _one_of([found.package for found in environments]),
            "python": _one_of([found.python for found in environments]),
            "torch": _one_of([found.torch for found in environments]),
            "timm": _one_of([found.timm for found in environments]),
        },
        commit=_one_of([found.commit for found in environments]),
        configs={name: _config_reference(found, protocol.metric) for name, found in by_config.items()},
    )


def pilot_runs(protocol: Protocol, name: str, members: int, results: Sequence[Result]) -> PilotRuns:
    """What `scoring.pilot` needs of finished results of a whole grid."""
    by_config = [[result for result in results if result.config == config.name] for config in protocol.configs]
    values = [[result.value(protocol.metric) for result in of_config] for of_config in by_config]
    return PilotRuns(
        name=name,
        members=members,
        values=tuple(tuple(value for value in row if value is not None) for row in values),
        train_accuracies=tuple(tuple(result.train_accuracy or 0.0 for result in row) for row in by_config),
    )


def _config_reference(results: Sequence[Result], metric: Metric) -> ConfigReference:
    ordered = sorted(results, key=lambda result: result.seed)
    values = [result.value(metric) for result in ordered]
    costs = [result.cost for result in ordered if result.cost is not None]
    return ConfigReference(
        accuracies=tuple(round(value, 6) for value in values if value is not None),
        cost=Cost(
            images=sum(cost.images for cost in costs),
            flops=sum(cost.flops for cost in costs),
            device_seconds=round(sum(cost.device_seconds for cost in costs), 1),
        ),
    )


def _one_of(values: Sequence[str]) -> str:
    """The values that occur, each once: normally one."""
    return "; ".join(dict.fromkeys(values))


def accuracies(
    protocol: Protocol, subset: Subset, store: Store, configs: list[str], exponent: float = 0.0
) -> FloatArray:
    """(configs, seeds) accuracies that the store holds, in the protocol's order; nan where there is none."""
    values = []
    for run in grid_runs(protocol, subset, exponent=exponent, configs=configs):
        result = store.settled(run.digest)
        values.append(np.nan if result is None or result.accuracy is None else result.accuracy)
    return np.array(values).reshape(-1, len(protocol.seeds))


def wanted(
    protocol: Protocol,
    subset: Subset,
    store: Store,
    seed: int,
    configs: list[str] | None = None,
    exponent: float = 0.0,
) -> list[str]:
    """The configs that racing gives a seed to, when all seeds before it are trained.

    Args:
        seed: one of the protocol's.
        configs: those that race; None: all.
    """
    names = [config.name for config in chosen_configs(protocol, configs)]
    without = left_out(accuracies(protocol, subset, store, names, exponent))[:, protocol.seeds.index(seed)]
    return [name for name, skipped in zip(names, without, strict=True) if not skipped]


Cells = dict[str, list[Cell]]
"""Runs by config name."""


def read_accuracy_table(path: Path, protocol: Protocol) -> dict[str, Cells]:
    """Runs by subset name and config, from a CSV file.

    Raises:
        InputError: with file and line: no such column, an unknown config, not a number, out of range, a repeated
            seed, or no rows.
    """
    text = read_text_file(path)
    rows = _rows(text, path)
    if len(rows) < 2:
        raise InputError("has no rows; expected a header line and at least one row of accuracies", source=path)
    (header_line, header), body = rows[0], rows[1:]
    configs = [config.name for config in protocol.configs]
    scale = 100.0 if _is_percent(text) else 1.0
    if scale != 1 and protocol.metric.unit != "fraction":
        raise InputError(f"says percent, but {protocol.metric.name} is in {protocol.metric.unit}", source=path, line=1)
    long = "config" in header and "accuracy" in header
    columns = [name for name in header if name in configs]
    if not long and not columns:
        raise InputError(
            f"needs columns config and accuracy, or one column a config ({', '.join(configs)})",
            source=path,
            line=header_line,
        )
    unknown = [name for name in header if name not in {"config", "accuracy", "seed", "subset", *configs}]
    if unknown:
        raise InputError(f"unknown column {quoted(unknown[0])}", source=path, line=header_line)
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise InputError(f"column {quoted(twice[0])} stands twice", source=path, line=header_line)
    tables: dict[str, Cells] = {}
    for line, fields in body:
        if len(fields) != len(header):
            raise InputError(f"has {len(fields)} fields, the header {len(header)}", source=path, line=line)
        row = dict(zip(header, fields, strict=True))
        cells = tables.setdefault(row.get("subset", ""), {name: [] for name in configs})
        for name, text in [(row["config"], row["accuracy"])] if long else [(name, row[name]) for name in columns]:
            if name not in cells:
                raise InputError(f"no config {quoted(name)}; there are {', '.join(configs)}", source=path, line=line)
            if text:
                _add(cells[name], row.get("seed", ""), _value(text, scale, protocol.metric, path, line), path, line)
    return tables


def score_table(path: str | Path, protocol: Protocol) -> dict[str, Scorecard]:
    """The scorecards of a CSV table of accuracies, by subset; a table without such a column goes by the file's name.

    Raises:
        InputError: with file and line, when something in the table is wrong.
        NotScorable: there is too little for a score.
    """
    tables = read_accuracy_table(Path(path), protocol)
    return {
        name or Path(path).stem: make_scorecard(protocol, cells, seeds=seeds_in([cells]))
        for name, cells in tables.items()
    }


def _rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Line number and stripped fields of every line that is neither blank nor a comment."""
    numbered = ((number, line) for number, line in enumerate(text.splitlines(), 1))
    kept = [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]
    try:
        parsed = list(csv.reader([line for _, line in kept], strict=True))
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", source=path) from None
    fields = ([field.strip() for field in row] for row in parsed)
    return [(number, row) for (number, _), row in zip(kept, fields, strict=False)]


def _is_percent(text: str) -> bool:
    first = text.lstrip().partition("\n")[0]
    return first.startswith("#") and first.strip("# \r").lower() == "percent"


def _value(text: str, scale: float, metric: Metric, path: Path, line: int) -> float:
    try:
        value = float(text) / scale
    except ValueError:
        raise InputError(f"{quoted(text)} is not a number", source=path, line=line) from None
    if metric.holds(value):
        return value
    if metric.unit != "fraction":
        raise InputError(metric.problem(value), source=path, line=line)
    hint = "" if scale != 1 else "; for percent, start the file with a line '# percent'"
    raise InputError(f"{metric.name} {text} is not between 0 and {scale:g}{hint}", source=path, line=line)


def _add(cells: list[Cell], seed: str, accuracy: float, path: Path, line: int) -> None:
    if seed and not re.fullmatch(r"-?[0-9]{1,18}", seed):
        raise InputError(f"seed {quoted(seed)} is not a whole number", source=path, line=line)
    number = int(seed) if seed else len(cells)
    if any(cell.seed == number for cell in cells):
        raise InputError(f"seed {number} of this config stands twice", source=path, line=line)
    cells.append(Cell(seed=number, accuracy=accuracy))


def seeds_in(tables: Sequence[Cells]) -> list[int]:
    """The seeds that occur anywhere in the tables."""
    return sorted({cell.seed for cells in tables for runs in cells.values() for cell in runs})
