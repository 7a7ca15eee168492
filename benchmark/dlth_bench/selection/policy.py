"""What a policy is asked, what it answers, and how it is listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import ClassCatalog, SampleCatalog
from dlth_bench.runs.critical_set_file import StoredCriticalSet
from dlth_bench.runs.dynamics_file import Dynamics
from dlth_bench.subsets.subset import SubsetUnit
from dlth_bench.util.errors import InputError

Labels = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]


Option = (
    Literal["accuracies", "model", "threshold", "tree", "representative", "embeddings", "encoder", "algorithm"]
    | Literal["samples", "protocol", "dynamics", "search", "correctness"]
    | Literal["balanced", "draw", "never_learned", "epochs", "criterion"]
    | Literal["ties", "margin", "seed"]
)
"""Everything beyond the dataset and the size that a policy may ask for; fields of ``Request`` or ``SampleRequest``."""


class Ties(StrEnum):
    """What equal accuracies of two models on a class mean for their order."""

    STRICT = "strict"
    ALLOW = "allow"


class Representative(StrEnum):
    """Which class stands for a group: the first of the dataset's order, or the one nearest to the others."""

    LOWEST = "lowest"
    MEDOID = "medoid"


class Algorithm(StrEnum):
    """How embeddings are clustered."""

    KMEANS = "kmeans"
    KMEDOIDS = "kmedoids"


@dataclass(frozen=True)
class Request:
    """One question to a policy that chooses classes.

    size: how many classes.
    accuracies: files of per-class accuracies, CSV or Parquet; each a model or a pool of them.
    model: the column of ``accuracies`` to take where there are several; erc: several, separated by commas.
    ties: of two models on a class.
    margin: accuracy differences up to this (a fraction) count as ties.
    threshold: draw only where more classes than this meet the condition; None: twice the size.
    tree: a class tree, CSV with columns child,parent; None: the dataset's own.
    representative: of a group of the tree.
    embeddings: a ``.npy`` of shape (classes, dimensions) in the dataset's order.
    encoder: a text model by its name on the Hub or its local folder.
    algorithm: of the clustering.
    seed: of the random draw or of the clustering's start.
    """

    catalog: ClassCatalog
    size: int
    accuracies: tuple[Path, ...] = ()
    model: str | None = None
    ties: Ties = Ties.STRICT
    margin: float = 0.0
    threshold: int | None = None
    tree: Path | None = None
    representative: Representative = Representative.LOWEST
    embeddings: Path | None = None
    encoder: str | None = None
    algorithm: Algorithm = Algorithm.KMEANS
    seed: int = 0

    @property
    def dataset(self) -> str:
        return self.catalog.dataset

    @property
    def available(self) -> int:
        """How many classes there are to choose from."""
        return len(self.catalog)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files and folders that the choice is made from."""
        encoder = Path(self.encoder).resolve() if self.encoder is not None and Path(self.encoder).is_dir() else None
        optional = (self.tree, self.embeddings, encoder)
        return (*self.accuracies, *(path for path in optional if path is not None))


Asked = TypeVar("Asked", bound="Request | SampleRequest", contravariant=True)


@dataclass(frozen=True)
class Choice:
    """A policy's answer.

    ids: the chosen classes or samples.
    parameters: what decided the choice beside size, seed and input files, in the order in which it is written down.
    notes: what a reader should know, each one line.
    drawn: whether the seed had a say, where the policy has one.
    """

    ids: tuple[str, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    drawn: bool = True


@dataclass(frozen=True)
class Policy(Generic[Asked]):
    """An algorithm that selects a subset of the classes, or of the training samples.

    name: as typed, e.g. ``pd-bottom``.
    summary: one line for ``--help``.
    choose: the algorithm; raises InputError for what is wrong with the request.
    needs: options without which it cannot work.
    takes: options it understands beside those.
    default_size: how many classes where the user does not say; None: the user must.
    unit: what it chooses.
    """

    name: str
    summary: str
    choose: Callable[[Asked], Choice]
    needs: tuple[Option, ...] = ()
    takes: tuple[Option, ...] = ()
    default_size: int | None = None
    unit: SubsetUnit = "class"

    @property
    def uses_seed(self) -> bool:
        return "seed" in self.takes


def size_within(size: int, available: int) -> int:
    """``size``, if so many classes can be chosen.

    Raises:
        InputError: it is not between 1 and the number of classes.
    """
    if not 1 <= size <= available:
        raise InputError(f"size {size}: there are {available} classes to choose from")
    return size


class Draw(StrEnum):
    """Which samples of a class are kept: at random, or the first of the dataset's order."""

    RANDOM = "random"
    FIRST = "first"


class NeverLearned(StrEnum):
    """Where samples rank that no epoch predicted correctly, and so none forgot."""

    FIRST = "first"
    LAST = "last"
    EXCLUDE = "exclude"


class Criterion(StrEnum):
    """What selection via proxy reads from the proxy."""

    LEAST_CONFIDENCE = "least-confidence"
    ENTROPY = "entropy"
    FORGETTING = "forgetting"


POOL: tuple[Option, ...] = ("samples", "protocol")
"""The options that say which samples there are, for policies that need no dynamics."""

RECORDED: tuple[Option, ...] = ("protocol", "balanced")
"""What policies on dynamics take beside those."""


@dataclass(frozen=True)
class SampleRequest:
    """One question to a policy that chooses samples.

    samples: to choose from, in the order that settles ties.
    size: how many samples, of all classes together.
    inputs: the files that the request was made from.
    dynamics: of the models whose training was watched, all on the same samples.
    critical: the critical set of a search, in place of dynamics.
    correctness: tables of per-sample accuracies, in place of dynamics.
    balanced: whether each class gets an equal share.
    draw: which samples of a class ``nir`` keeps.
    never_learned: where such samples rank.
    epochs: take the mean over so many first epochs; None: as the policy says.
    criterion: of selection via proxy.
    ties: of two models on a sample.
    margin: accuracy differences up to this (a fraction) count as ties.
    seed: of the random draw.
    """

    samples: SampleCatalog
    size: int
    inputs: tuple[Path, ...] = ()
    dynamics: tuple[Dynamics, ...] = ()
    critical: StoredCriticalSet | None = None
    correctness: tuple[Path, ...] = ()
    balanced: bool = False
    draw: Draw = Draw.RANDOM
    never_learned: NeverLearned = NeverLearned.FIRST
    epochs: int | None = None
    criterion: Criterion = Criterion.LEAST_CONFIDENCE
    ties: Ties = Ties.ALLOW
    margin: float = 0.0
    seed: int = 0

    @property
    def dataset(self) -> str:
        return self.samples.dataset

    @property
    def available(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> Labels:
        """int64 (samples,)."""
        return np.asarray(self.samples.labels, dtype=np.int64)

    @property
    def dealt_by(self) -> Labels | None:
        """The labels where each class gets an equal share, else None."""
        return self.labels if self.balanced else None

    def one_model(self, policy: str) -> Dynamics:
        """The dynamics, for a policy that takes those of one model.

        Raises:
            InputError: several are given.
        """
        if len(self.dynamics) != 1:
            raise InputError(f"{policy} takes one model; --dynamics is given {len(self.dynamics)} times")
        return self.dynamics[0]

    def choice(self, positions: Positions, parameters: Mapping[str, object], notes: Iterable[str] = ()) -> Choice:
        """The answer, with the models and the pool that it was made from."""
        ids = self.samples.sample_ids
        origin: dict[str, object] = {}
        if self.samples.images_per_class is not None:
            origin["samples"] = f"the first {self.samples.images_per_class} of each class"
        if self.dynamics:
            origin["dynamics"] = "; ".join(dynamics.label for dynamics in self.dynamics)
        return Choice(tuple(sorted(ids[position] for position in positions)), {**parameters, **origin}, tuple(notes))


def dynamics_policy(
    name: str, summary: str, choose: Callable[[SampleRequest], Choice], *takes: Option
) -> Policy[SampleRequest]:
    """A policy that chooses samples by recorded dynamics, with options beside the usual ones of such policies."""
    return Policy(name, summary, choose, ("dynamics",), (*takes, *RECORDED), unit="sample")
