"""The file of a critical set, which a stored run leaves: its layout, and reading it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open

from dlth_bench.datasets.catalog import SampleCatalog
from dlth_bench.protocols.tickets import PracFacts
from dlth_bench.runs.store import CRITICAL_FILE, read_stored_run
from dlth_bench.subsets.subset import misnamed
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen

COUNTS = ("events", "unlearned", "disagreements")
"""The tensors (samples,) of int32."""


class CriticalSetHeader(Frozen):
    """Where a critical set comes from."""

    format: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Name of the dataset.")]
    class_ids: Annotated[tuple[str, ...], Field(min_length=2, description="What the labels are positions in.")]
    config: Annotated[str, Field(min_length=1, max_length=200, description="What was pruned.")]
    seed: int = 0
    run: Annotated[str, Field(max_length=64, description="Digest of the run.")] = ""

    @property
    def label(self) -> str:
        """How messages and subset files call the search."""
        return f"{self.config} seed {self.seed}"


@dataclass(frozen=True, eq=False)
class StoredCriticalSet:
    """The critical set of one stored run, and what its result says of it.

    samples: all that the search had, in the dataset's order.
    selected: bool (samples,).
    counts: events, unlearned and disagreements by name, int64 (samples,).
    """

    header: CriticalSetHeader
    facts: PracFacts
    samples: SampleCatalog
    selected: npt.NDArray[np.bool_]
    counts: Mapping[str, npt.NDArray[np.int64]]


def read_critical_set(run: Path) -> StoredCriticalSet:
    """The set that a run left in its folder of the store. Nothing is unpickled.

    Raises:
        InputError: no such run, one whose config does not search on critical samples or did not finish, or a file
            that is damaged or of another run.
    """
    stored = read_stored_run(run)
    ticket, path = stored.result.ticket, stored.folder / CRITICAL_FILE
    if ticket is None or ticket.prac is None:
        message = f"is of config {stored.run.config.name}, which has no critical set: its pruning has no prac"
        raise InputError(message, source=stored.result_path)
    header, tensors = _read(path)
    if header.run != stored.run.digest:
        raise InputError("is of another run than the files beside it: one of them was moved", source=path)
    samples = _catalog(path, header, tensors)
    selected = _of_samples(path, tensors, "selected", len(samples)).astype(np.bool_)
    if int(selected.sum()) != ticket.prac.selected:
        told = f"holds a set of {int(selected.sum())} samples, the result tells of {ticket.prac.selected}"
        raise InputError(f"{told}: one of them was edited", source=path)
    counts = {name: _of_samples(path, tensors, name, len(samples)).astype(np.int64) for name in COUNTS}
    return StoredCriticalSet(header, ticket.prac, samples, selected, counts)


def _read(path: Path) -> tuple[CriticalSetHeader, dict[str, npt.NDArray[Any]]]:
    if not path.is_file():
        raise InputError("no such file; the run was stored without its critical set", source=path)
    try:
        with safe_open(path, framework="np") as file:
            header = CriticalSetHeader.model_validate_json((file.metadata() or {}).get("json", ""))
            names = file.keys()  # a safetensors file is not a mapping
            return header, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError):
        raise InputError("is not a safetensors file of a critical set", source=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "json"
        raise InputError(f"its header is not one of a critical set: {field}: {first['msg']}", source=path) from None


def _catalog(path: Path, header: CriticalSetHeader, tensors: Mapping[str, npt.NDArray[Any]]) -> SampleCatalog:
    try:
        ids = tuple(tensors["sample_ids"].tobytes().decode().split("\n"))
    except (KeyError, UnicodeDecodeError):
        raise InputError("holds no sample IDs in UTF-8", source=path) from None
    labels = _of_samples(path, tensors, "labels", len(ids))
    if labels.min() < 0 or labels.max() >= len(header.class_ids):
        raise InputError(f"a label is not a position from 0 to {len(header.class_ids) - 1}", source=path)
    own = labels.tolist()
    problems = (misnamed(item, header.class_ids[label]) for item, label in zip(ids, own, strict=True))
    problem = next((problem for problem in problems if problem), None)
    if problem is not None or len(set(ids)) < len(ids):
        raise InputError(problem or "lists a sample twice", source=path)
    return SampleCatalog(header.dataset, ids, array("i", own), header.class_ids)


def _of_samples(path: Path, tensors: Mapping[str, npt.NDArray[Any]], name: str, samples: int) -> npt.NDArray[Any]:
    """A tensor of whole numbers (samples,)."""
    tensor = tensors.get(name)
    if tensor is None or tensor.dtype.kind not in "iu" or tensor.shape != (samples,):
        raise InputError(f"{name} is no tensor of whole numbers ({samples},)", source=path)
    return tensor
