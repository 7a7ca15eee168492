"""The files of a submission, each by itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dlth_bench.datasets.registry import class_catalog, nameable_samples
from dlth_bench.leaderboard.findings import Finding, Invalid, require_none
from dlth_bench.leaderboard.untrusted import Model, parse_json
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.result import Result
from dlth_bench.spec.subset import Subset
from dlth_bench.spec.subset_file import MAX_SUBSET_BYTES, parse_subset
from dlth_bench.spec.text_file import read_text_file

_MAX_FINDINGS = 100
"""Of one file of results."""


def read_json(model: type[Model], path: Path) -> Model:
    """The model in a JSON file.

    Raises:
        Invalid: it is not one.
    """
    return parse_json(model, path.read_bytes(), path)


def read_subset(path: Path, dataset: str) -> Subset:
    """The subset in a file, which must be in canonical form.

    Raises:
        InputError: it is not, or lists something else than classes or samples of the dataset.
    """
    text = read_text_file(path, MAX_SUBSET_BYTES)
    subset = parse_subset(text, class_catalog(dataset), samples=partial(nameable_samples, dataset), source=path)
    require_none(_strays(path, text, subset))
    return subset


def _strays(path: Path, text: str, subset: Subset) -> Iterator[Finding]:
    """The first line that is not as in the canonical form: the sorted IDs, after comments at the top."""
    lines = text.split("\n")
    comments = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    for number, (line, right) in enumerate(
        itertools.zip_longest(lines[comments:], subset.canonical_text().split("\n")), start=comments + 1
    ):
        if line != right:
            expected = "nothing" if not right else quoted(right, 120)
            problem = f"is not in canonical form: {'the file ends' if line is None else f'has {quoted(line)}'}"
            yield Finding(path, problem, f"here stands {expected}", line=number)
            return


def read_results(path: Path) -> tuple[Result, ...]:
    """The results in a file, one a line, of one run each.

    Raises:
        Invalid: with the findings of all lines, up to a hundred.
    """
    results: list[Result] = []
    found: list[Finding] = []
    first: dict[tuple[str, int], int] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(found) >= _MAX_FINDINGS:
            found.append(Finding(path, "the lines from here on were not read", line=number))
            break
        try:
            result = parse_json(Result, line, path, number)
        except Invalid as error:
            found += error.findings
            continue
        cell = (result.config, result.seed)
        if cell in first:
            message = f"config {quoted(result.config)} seed {result.seed} stands on line {first[cell]} already"
            found.append(Finding(path, message, "each run has one result", "seed", number))
        first.setdefault(cell, number)
        results.append(result)
    require_none(found)
    return tuple(results)
