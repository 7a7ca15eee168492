"""A stored run as its two files tell it: what it is (``run.json``) and what it left (``result.json``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from dlth_bench.spec.consistency import contradictions
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run
from dlth_bench.spec.text_file import read_text_file

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
PRETRAINED_FILE = "pretrain.safetensors"
"""Weights after the first stage, until the run is finished."""
ENCODER_FILE = "encoder.safetensors"
"""The pretrained encoder, of runs whose weights were kept."""
MASK_FILE = "mask.safetensors"
"""The ticket's mask, of runs that prune and whose weights were kept."""
CRITICAL_FILE = "critical.safetensors"
"""The critical set, of runs that search on one; see `critical_set`."""
SEARCHES = "searches"
"""Folder of a store with searches for tickets, which runs share: ``<first two digits>/<digest>/``."""
SEARCH_FILE = "search.txt"
"""Where the searches of a run are, seen from the run's folder, one a line."""

Model = TypeVar("Model", bound=Frozen)


@dataclass(frozen=True)
class StoredRun:
    """A run and its result, and the folder they were read from."""

    folder: Path
    run: Run
    result: Result

    @property
    def result_path(self) -> Path:
        return self.folder / RESULT_FILE

    def class_accuracies(self) -> dict[str, float]:
        """Top-1 accuracy (a fraction) of each class that the run was evaluated on, by its ID.

        Raises:
            InputError: the run did not finish, or its accuracies do not fit its classes or each other.
        """
        result, source = self.result, self.result_path
        if result.status != "finished":
            reason = printable(result.reason, 120)
            raise InputError(f"is of a run that {result.status}, without accuracies: {reason}", source=source)
        for field, problem, _ in contradictions(result, len(self.run.class_ids)):
            # Without counts it was written by hand or by another tool: there is nothing to compare with.
            if result.class_counts or field != "class_counts":
                raise InputError(f"{problem}; the file was edited or is not whole", source=source)
        return dict(zip(self.run.class_ids, result.class_accuracy, strict=True))


def read_stored_run(path: Path) -> StoredRun:
    """The run in a folder of the store, or of its ``result.json``.

    Raises:
        InputError: one of the two files is missing or damaged, or they are of different runs.
    """
    folder = path.parent if path.is_file() else path
    result = _read(folder / RESULT_FILE, Result)
    if not (folder / RUN_FILE).is_file():
        raise InputError(f"has no {RUN_FILE} beside it, which would say its classes", source=folder / RESULT_FILE)
    run = _read(folder / RUN_FILE, Run)
    if (result.run, result.seed) != (run.digest, run.seed):
        message = f"is the result of another run than {RUN_FILE} beside it: one of them was edited or moved"
        raise InputError(message, source=folder / RESULT_FILE)
    return StoredRun(folder, run, result)


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(read_text_file(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        problem = f"{printable(where, 60)}: {printable(first['msg'], 120)}"
        raise InputError(f"not a {model.__name__.lower()} of the store ({problem})", source=path) from None
