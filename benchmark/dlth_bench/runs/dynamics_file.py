"""The file of training dynamics: its layout, reading and writing it.

Tensors stay on disk and are read an epoch, or the samples of a class, at a time: those of ImageNet-1K over 90 epochs
take 0.5 GB each.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dlth_bench.datasets.catalog import SampleCatalog
from dlth_bench.subsets.subset import misnamed
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.model import Frozen
from dlth_bench.util.text import printable, quoted

Convention = Literal["epoch-end", "minibatch"]
"""When ``correct`` was read.

``epoch-end``: after each epoch, in evaluation mode, on the sample as it is. ``minibatch``: when the sample was last
trained on, from the augmented view and before that update (Toneva et al. 2019, algorithm 1); a sample not presented
in an epoch keeps its value. All other tensors are read at the end of an epoch.
"""

ScoreName = Literal["error_norm", "entropy", "confidence", "margin"]
"""The tensors (epochs, samples) of floats."""


class DynamicsHeader(Frozen):
    """Where the dynamics come from; those of other programs may leave out all that has a default."""

    format: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Name of the dataset.")]
    class_ids: Annotated[tuple[str, ...], Field(min_length=2, description="What the labels are positions in.")]
    config: Annotated[str, Field(min_length=1, max_length=200, description="What was trained.")]
    seed: int = 0
    convention: Convention = "epoch-end"
    stage: Annotated[str, Field(max_length=40, description="The stage of training that was watched.")] = ""
    protocol: Annotated[str, Field(max_length=200, description="Protocol, as name@version.")] = ""
    run: Annotated[str, Field(max_length=64, description="Digest of the run.")] = ""
    manifest_digest: Annotated[str, Field(max_length=64, description="SHA-256 of the dataset's manifest.")] = ""
    package: Annotated[str, Field(max_length=40, description="Version of dlth-bench.")] = ""

    @property
    def label(self) -> str:
        """How messages and subset files call the model."""
        return f"{self.config} seed {self.seed}"


_REQUIRED = ("sample_ids", "labels", "correct")


@dataclass(frozen=True, eq=False)
class Dynamics:
    """One file of dynamics; shapes and IDs are checked, values when they are read.

    samples: in the order of the file.
    tensors: by name, mapped from the file.
    """

    path: Path
    header: DynamicsHeader
    samples: SampleCatalog
    tensors: Mapping[str, npt.NDArray[Any]]

    @property
    def epochs(self) -> int:
        return len(self.tensors["correct"])

    @property
    def label(self) -> str:
        """How the head of a subset file calls them."""
        return f"{self.header.label}, {self.epochs} epochs, correct at {self.header.convention}"

    def correct(self) -> Iterator[npt.NDArray[np.bool_]]:
        """Of each epoch, whether each sample was predicted correctly (samples,).

        Raises:
            InputError: a value other than 0 and 1.
        """
        for epoch, row in enumerate(self.tensors["correct"]):
            if row.size and row.max() > 1:
                at = int(np.argmax(row > 1))
                raise self.error(f"correct of {self._named(at)} in epoch {epoch + 1} is {row[at]}, neither 0 nor 1")
            yield np.asarray(row, dtype=np.bool_)

    def has(self, name: ScoreName) -> bool:
        return name in self.tensors

    def score(self, name: ScoreName, first: int = 0, last: int | None = None) -> Iterator[npt.NDArray[np.float64]]:
        """One score of each sample (samples,) in each of the epochs from ``first`` to before ``last``.

        Raises:
            InputError: it was not recorded, or is NaN or infinite.
        """
        for epoch, row in enumerate(self._tensor(name)[first:last], first):
            values = np.asarray(row, dtype=np.float64)
            if not np.isfinite(values).all():
                at = int(np.argmin(np.isfinite(values)))
                raise self.error(f"{name} of {self._named(at)} in epoch {epoch + 1} is NaN or infinite")
            yield values

    def features(self, positions: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.float64]:
        """The features (samples, dimensions) of some samples, of all by default.

        Raises:
            InputError: they were not recorded, or hold NaN or infinity.
        """
        stored = self._tensor("features")
        values = np.asarray(stored if positions is None else stored[positions], dtype=np.float64)
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            at = int(np.argmin(finite))
            raise self.error(f"the features of {self._named(at if positions is None else positions[at])} hold NaN")
        return values

    @property
    def feature_dimensions(self) -> int:
        """How long a feature is.

        Raises:
            InputError: features were not recorded.
        """
        return int(self._tensor("features").shape[1])

    def error(self, message: str) -> InputError:
        """An error that names this file."""
        return InputError(message, source=printable(str(self.path)))

    def _tensor(self, name: str) -> npt.NDArray[Any]:
        if name not in self.tensors:
            raise self.error(f"holds no {name}; it has {', '.join(sorted(self.tensors))}")
        return self.tensors[name]

    def _named(self, position: int | np.intp) -> str:
        return quoted(self.samples.sample_ids[position])


def read_dynamics(path: Path) -> Dynamics:
    """The dynamics in a file, opened but not read as a whole. Nothing is unpickled.

    Raises:
        InputError: no such file, no safetensors file, a wrong header, or a tensor that is missing or does not fit.
    """
    header, tensors = _header(path), _mapped(path)
    for name in _REQUIRED:
        if name not in tensors:
            raise InputError(f"holds no tensor {name!r}, which all dynamics have", source=path)
    ids = _sample_ids(path, tensors["sample_ids"])
    labels = tensors["labels"]
    if labels.dtype.kind not in "iu" or labels.shape != (len(ids),):
        raise InputError(f"labels are {_described(labels)}; expected whole numbers ({len(ids)},)", source=path)
    if labels.min() < 0 or labels.max() >= len(header.class_ids):
        raise InputError(f"a label is not a position from 0 to {len(header.class_ids) - 1}", source=path)
    _check_shapes(path, tensors, len(ids))
    own = labels.tolist()
    for sample_id, label in zip(ids, own, strict=True):
        problem = misnamed(sample_id, header.class_ids[label])
        if problem:
            raise InputError(problem, source=path)
    samples = SampleCatalog(header.dataset, ids, array("i", own), header.class_ids)
    return Dynamics(path, header, samples, tensors)


def write_dynamics(
    path: Path,
    header: DynamicsHeader,
    sample_ids: Sequence[str],
    labels: npt.NDArray[np.integer],
    tensors: Mapping[str, npt.NDArray[Any]],
) -> None:
    """Write dynamics, whole or not at all.

    Args:
        labels: (samples,), positions in the header's classes.
        tensors: ``correct`` and the others of ``spec.dynamics`` that there are.
    """
    stored: dict[str, npt.NDArray[Any]] = {
        "sample_ids": np.frombuffer("\n".join(sample_ids).encode(), dtype=np.uint8),
        "labels": np.asarray(labels, dtype=np.int32),
        **{name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
    }
    text = json.dumps(header.model_dump(mode="json"), sort_keys=True)
    write_atomically(path, save(stored, metadata={"json": text}))


def _header(path: Path) -> DynamicsHeader:
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get("json", "")
        return DynamicsHeader.model_validate_json(text)
    except FileNotFoundError:
        raise InputError("no such file", source=path) from None
    except (SafetensorError, OSError):
        raise InputError("is not a safetensors file of training dynamics", source=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "json"
        raise InputError(f"its header is not one of training dynamics: {field}: {first['msg']}", source=path) from None


def _mapped(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors without reading them; ``safe_open`` has checked that they lie within the file."""
    kinds = {"U8": "u1", "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        layout = json.loads(stream.read(length))
    mapped: dict[str, npt.NDArray[Any]] = {}
    for name, entry in layout.items():
        if name == "__metadata__" or entry["dtype"] not in kinds or 0 in entry["shape"]:
            continue
        place = 8 + length + entry["data_offsets"][0]
        mapped[name] = np.memmap(path, kinds[entry["dtype"]], "r", place, tuple(entry["shape"]))
    return mapped


def _sample_ids(path: Path, stored: npt.NDArray[Any]) -> tuple[str, ...]:
    try:
        ids = tuple(stored.tobytes().decode().split("\n"))
    except UnicodeDecodeError:
        raise InputError("its sample IDs are not UTF-8 text", source=path) from None
    if len(set(ids)) < len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise InputError(f"lists sample {quoted(twice)} twice", source=path)
    return ids


def _check_shapes(path: Path, tensors: Mapping[str, npt.NDArray[Any]], samples: int) -> None:
    correct = tensors["correct"]
    if correct.dtype != np.uint8 or correct.ndim != 2 or correct.shape[1] != samples:
        raise InputError(f"correct is {_described(correct)}; expected uint8 (epochs, {samples})", source=path)
    for name in get_args(ScoreName):
        tensor = tensors.get(name)
        if tensor is not None and (tensor.dtype.kind != "f" or tensor.shape != correct.shape):
            raise InputError(f"{name} is {_described(tensor)}; expected floats {correct.shape}", source=path)
    features = tensors.get("features")
    if features is not None and (features.dtype.kind != "f" or features.ndim != 2 or len(features) != samples):
        raise InputError(f"features are {_described(features)}; expected floats ({samples}, dimensions)", source=path)


def _described(tensor: npt.NDArray[Any]) -> str:
    return f"{tensor.dtype} {tensor.shape}"
