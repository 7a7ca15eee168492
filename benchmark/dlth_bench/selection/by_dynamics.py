"""Policies by training dynamics: forgetting events, easy and hard samples, EL2N, entropy, SVP.

A sample that was never predicted correctly was never forgotten either. What that says about it differs between
publications: the hardest of all (Toneva et al.; a threshold that all of them pass in the PrAC code), or, counted as
zero events, one of the easiest. So events and never-learned are kept apart, and ``--never-learned`` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlth_bench.runs.dynamics_file import Dynamics, ScoreName
from dlth_bench.selection.policy import (
    Choice,
    Criterion,
    Labels,
    NeverLearned,
    Policy,
    Positions,
    SampleRequest,
    dynamics_policy,
)
from dlth_bench.selection.sample_pool import ranked, take
from dlth_bench.util.errors import InputError


@dataclass(frozen=True, eq=False)
class ForgettingEvents:
    """What a training did to each sample.

    events: int64 (samples,), from correct in one epoch to wrong in the next.
    learned: bool (samples,), correct in at least one epoch.
    """

    events: npt.NDArray[np.int64]
    learned: npt.NDArray[np.bool_]


def forgetting(correct: Iterable[npt.NDArray[np.bool_]]) -> ForgettingEvents:
    """Events of one training.

    Args:
        correct: of each epoch, bool (samples,).
    """
    rows = iter(correct)
    before = np.array(next(rows))
    learned, events = before.copy(), np.zeros(len(before), dtype=np.int64)
    for now in rows:
        events += before & ~now
        learned |= now
        before = now
    return ForgettingEvents(events, learned)


def summed(trainings: Sequence[ForgettingEvents]) -> ForgettingEvents:
    """Several trainings on the same samples: the sum of events, and whether any of them learned the sample."""
    return ForgettingEvents(
        np.sum([training.events for training in trainings], axis=0),
        np.any([training.learned for training in trainings], axis=0),
    )


def most_forgotten(
    statistics: ForgettingEvents,
    size: int,
    never_learned: NeverLearned = NeverLearned.FIRST,
    *,
    epochs_correct: npt.NDArray[np.int64] | None = None,
    labels: Labels | None = None,
) -> Positions:
    """The ``size`` samples with the most events.

    Args:
        never_learned: such samples come before or after all others, or are not chosen.
        epochs_correct: (samples,); among equally many events, fewer come first. Events are small numbers, and the
            samples' order alone would prefer the first classes.
        labels: for the same number of each class.

    Raises:
        InputError: fewer samples than ``size`` were ever learned, and the others are excluded.
    """
    learned = statistics.learned
    apart = learned if never_learned is NeverLearned.FIRST else ~learned
    ties = np.zeros(len(learned), dtype=np.int64) if epochs_correct is None else epochs_correct
    order = ranked(apart, -statistics.events, ties)
    if never_learned is NeverLearned.EXCLUDE:
        order = order[learned[order]]
        if len(order) < size:
            raise InputError(f"size {size}: only {len(order)} of the {len(learned)} samples were ever learned")
    return take(order, size, labels)


def _choose_forgotten(request: SampleRequest, **proxy: object) -> Choice:
    statistics = summed([forgetting(recorded.correct()) for recorded in request.dynamics])
    positions = most_forgotten(
        statistics,
        request.size,
        request.never_learned,
        epochs_correct=epochs_correct(request.dynamics),
        labels=request.dealt_by,
    )
    never = int((~statistics.learned).sum())
    unforgettable = int((statistics.learned & (statistics.events == 0)).sum())
    counts = f"{int(statistics.events.sum())} forgetting events, {never} samples never learned"
    parameters = {"never-learned": request.never_learned, "balanced": request.balanced}
    return request.choice(positions, proxy | parameters, (f"{counts}, {unforgettable} learned and never forgotten",))


FORGETTING = dynamics_policy(
    "forgetting", "samples forgotten most often during training", _choose_forgotten, "never_learned"
)


def _by_difficulty(name: str, epochs: str, sign: int) -> Policy[SampleRequest]:
    """Samples by ``sign`` times the epochs in which they were right, the lowest first; then by the mean margin."""

    def choose(request: SampleRequest) -> Choice:
        right = sign * epochs_correct(request.dynamics)
        order, ties = ranked(right), "sample order"
        if all(dynamics.has("margin") for dynamics in request.dynamics):
            margin = mean_score(request.dynamics, "margin")
            order, ties = ranked(right, sign * margin), "mean margin, then sample order"
        positions = take(order, request.size, request.dealt_by)
        return request.choice(positions, {"balanced": request.balanced, "ties": ties})

    return dynamics_policy(name, f"samples predicted correctly in the {epochs} epochs", choose)


DIFFICULTY = (_by_difficulty("easy", "most", -1), _by_difficulty("hard", "fewest", 1))


EL2N_EPOCHS = 10
"""How many first epochs are averaged where the user does not say; all, if there are fewer."""


def _choose_highest(request: SampleRequest, scores: npt.NDArray[np.float64], **parameters: object) -> Choice:
    """The samples with the highest score (samples,); equal ones in the samples' order."""
    positions = take(ranked(-scores), request.size, request.dealt_by)
    return request.choice(positions, parameters | {"balanced": request.balanced})


def _first_epochs(request: SampleRequest) -> int:
    shortest = min(dynamics.epochs for dynamics in request.dynamics)
    if request.epochs is not None and request.epochs > shortest:
        raise InputError(f"--epochs {request.epochs}: only {shortest} were recorded")
    return min(EL2N_EPOCHS, shortest) if request.epochs is None else request.epochs


def _choose_el2n(request: SampleRequest) -> Choice:
    epochs = _first_epochs(request)
    return _choose_highest(request, mean_score(request.dynamics, "error_norm", 0, epochs), epochs=f"the first {epochs}")


def _choose_entropy(request: SampleRequest) -> Choice:
    return _choose_highest(request, final_score(request.dynamics, "entropy"))


def _choose_by_proxy(request: SampleRequest) -> Choice:
    proxy = request.one_model("svp")
    if request.criterion is not Criterion.FORGETTING and request.never_learned is not NeverLearned.FIRST:
        raise InputError(f"--never-learned means nothing to --criterion {request.criterion}")
    parameters: dict[str, object] = {"proxy": proxy.header.label, "criterion": request.criterion}
    match request.criterion:
        case Criterion.FORGETTING:
            return _choose_forgotten(request, **parameters)
        case Criterion.ENTROPY:
            return _choose_highest(request, final_score([proxy], "entropy"), **parameters)
        case Criterion.LEAST_CONFIDENCE:
            return _choose_highest(request, -final_score([proxy], "confidence"), **parameters)


EL2N = dynamics_policy("el2n", "samples with the largest error norm early in training", _choose_el2n, "epochs")
ENTROPY = dynamics_policy("entropy", "samples with the highest entropy of the final prediction", _choose_entropy)
SVP = dynamics_policy(
    "svp",
    "selection via proxy: the most uncertain samples of a cheaper model",
    _choose_by_proxy,
    "criterion",
    "never_learned",
)


def epochs_correct(dynamics: Sequence[Dynamics]) -> npt.NDArray[np.int64]:
    """In how many epochs each sample (samples,) was predicted correctly, over all trainings."""
    total = np.zeros(len(dynamics[0].samples), dtype=np.int64)
    for recorded in dynamics:
        for row in recorded.correct():
            total += row
    return total


def mean_score(
    dynamics: Sequence[Dynamics], name: ScoreName, first: int = 0, last: int | None = None
) -> npt.NDArray[np.float64]:
    """The mean of a score (samples,) over epochs from ``first`` to before ``last``, and over trainings.

    Raises:
        InputError: it was not recorded, or is NaN or infinite somewhere.
    """
    total, rows = np.zeros(len(dynamics[0].samples)), 0
    for recorded in dynamics:
        for row in recorded.score(name, first, last):
            total += row
            rows += 1
    return total / rows


def final_score(dynamics: Sequence[Dynamics], name: ScoreName) -> npt.NDArray[np.float64]:
    """The mean over trainings of a score (samples,) after their last epochs.

    Raises:
        InputError: as ``mean_score``.
    """
    total = np.zeros(len(dynamics[0].samples))
    for model in dynamics:
        total += mean_score([model], name, model.epochs - 1)
    return total / len(dynamics)
