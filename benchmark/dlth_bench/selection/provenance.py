"""What the head of a written subset file says: enough to make the same file again."""

from __future__ import annotations

from pathlib import Path

import dlth_bench
from dlth_bench.selection.policy import Choice, Policy, Request
from dlth_bench.selection.stored_accuracies import names_a_stored_run
from dlth_bench.selection.table_file import file_digest
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.stored_run import read_stored_run
from dlth_bench.spec.subset import Subset


def subset_file_text(policy: Policy, request: Request, choice: Choice) -> str:
    """The subset file: comment lines that name policy, size, seed, version, parameters and inputs, then the classes.

    Nothing in it depends on the time, the machine or the folders of the inputs.
    """
    catalog = request.catalog
    subset = Subset(dataset=catalog.dataset, ids=choice.class_ids)
    parts = [policy.name, f"{len(subset)} of {len(catalog)} classes of {catalog.dataset}"]
    if policy.uses_seed:
        parts.append(f"seed {request.seed}")
    lines = [", ".join([*parts, f"dlth-bench {dlth_bench.__version__}"])]
    lines += [f"{key}: {value}" for key, value in choice.parameters.items()]
    lines += [f"input {printable(name)}: sha256 {file_digest(path)}" for name, path in _inputs(request)]
    lines += choice.notes
    return "".join(f"# {printable(line, 1000)}\n" for line in lines) + subset.canonical_text()


def _inputs(request: Request) -> list[tuple[str, Path]]:
    """The files and folders that the choice was made from, and how to call them."""
    files = [_accuracies(path) for path in request.accuracies]
    files += [(path.name, path) for path in (request.tree, request.embeddings) if path is not None]
    if request.encoder is not None and Path(request.encoder).is_dir():
        folder = Path(request.encoder).resolve()
        files.append((folder.name, folder))
    return files


def _accuracies(path: Path) -> tuple[str, Path]:
    """A stored run goes by its digest: all result files have one name."""
    if not names_a_stored_run(path):
        return path.name, path
    stored = read_stored_run(path)
    return f"run {stored.run.digest} ({stored.run.label})", stored.result_path
