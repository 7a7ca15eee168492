"""What the head of a written subset file says: enough to make the same file again."""

from __future__ import annotations

import dlth_bench
from dlth_bench.selection.policy import PLURAL, Asked, Choice, Policy
from dlth_bench.selection.table_file import file_digest
from dlth_bench.spec.quoting import printable
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
    lines += [f"input {printable(path.name)}: sha256 {file_digest(path)}" for path in request.inputs]
    lines += choice.notes
    return "".join(f"# {printable(line, 1000)}\n" for line in lines) + subset.canonical_text()
