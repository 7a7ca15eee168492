"""What the head of a written subset file says: enough to make the same file again."""

from __future__ import annotations

from pathlib import Path

import dlth_bench
from dlth_bench.selection.policy import PLURAL, Asked, Choice, Policy
from dlth_bench.selection.table_file import file_digest
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.stored_run import RESULT_FILE, RUN_FILE, read_stored_run
from dlth_bench.spec.subset import Subset


def subset_of(policy: Policy[Asked], request: Asked, choice: Choice) -> Subset:
    """The choice as a subset of the dataset."""
    return Subset(dataset=request.dataset, unit=policy.unit, ids=choice.ids)


def subset_file_text(policy: Policy[Asked], request: Asked, choice: Choice) -> str:
    """The subset file: comment lines that name policy, size, seed, version, parameters and inputs, then the IDs.

    Nothing in it depends on the time, the machine or the folders of the inputs.
    """
    subset = subset_of(policy, request, choice)
    parts = [policy.name, f"{len(subset)} of {request.available} {PLURAL[policy.unit]} of {request.dataset}"]
    if policy.uses_seed and choice.drawn:
        parts.append(f"seed {request.seed}")
    lines = [", ".join([*parts, f"dlth-bench {dlth_bench.__version__}"])]
    lines += [f"{key}: {value}" for key, value in choice.parameters.items()]
    inputs = map(_named_file, request.inputs)
    lines += [f"input {printable(name)}: sha256 {file_digest(path)}" for name, path in inputs]
    lines += choice.notes
    return "".join(f"# {printable(line, 1000)}\n" for line in lines) + subset.canonical_text()


def _named_file(path: Path) -> tuple[str, Path]:
    """What to call an input, and the file to digest; a stored run goes by its digest: all results have one name."""
    folder = path if path.is_dir() else path.parent
    if not (path.is_dir() or path.name == RESULT_FILE) or not (folder / RUN_FILE).is_file():
        return path.name, path
    stored = read_stored_run(path)
    return f"run {stored.run.digest} ({stored.run.label})", stored.result_path
