"""The question to a policy that chooses samples. Imports no numpy: the command line reads it at every start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dlth_bench.selection.policy import Choice, Option, Ties
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.samples import SampleCatalog

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.selection.critical_set import StoredCriticalSet
    from dlth_bench.selection.dynamics import Dynamics

    Labels = npt.NDArray[np.int64]
    Positions = npt.NDArray[np.intp]


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
        import numpy as np

        return np.asarray(self.samples.labels, dtype=np.int64)

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
