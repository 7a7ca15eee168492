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
    RECORDED,
    Choice,
    Criterion,
    Labels,
    NeverLearned,
    Policy,
    Positions,
    SampleRequest,
)
from dlth_bench.selection.sample_pool import ranked, take
from dlth_bench.util.errors import InputError


@dataclass(frozen=True, eq=False)
class ForgettingCounts:
    """What a training did to each sample.

    events: int64 (samples,), from correct in one epoch to wrong in the next.
    learned: bool (samples,), correct in at least one epoch.
    """

    events: npt.NDArray[np.int64]
    learned: npt.NDArray[np.bool_]


def forgetting(correct: Iterable[npt.NDArray[np.bool_]]) -> ForgettingCounts:
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
    return ForgettingCounts(events, learned)


def summed(trainings: Sequence[ForgettingCounts]) -> ForgettingCounts:
    """Several trainings on the same samples: the sum of events, and whether any of them learned the sample."""
    return ForgettingCounts(
        np.sum([training.events for training in trainings], axis=0),
        np.any([training.learned for training in trainings], axis=0),
    )


def most_forgotten(
    statistics: ForgettingCounts,
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


def read_forgetting(dynamics: Sequence[Dynamics]) -> ForgettingCounts:
    """The summed statistics of recorded trainings."""
    return summed([forgetting(recorded.correct()) for recorded in dynamics])


def forgotten_choice(request: SampleRequest) -> tuple[Positions, dict[str, object], str]:
    """Positions, parameters and a note, for this policy and for the proxy's."""

    statistics = read_forgetting(request.dynamics)
    labels = request.labels if request.balanced else None
    ties = epochs_correct(request.dynamics)
    positions = most_forgotten(statistics, request.size, request.never_learned, epochs_correct=ties, labels=labels)
    never = int((~statistics.learned).sum())
    unforgettable = int((statistics.learned & (statistics.events == 0)).sum())
    counts = f"{int(statistics.events.sum())} forgetting events, {never} samples never learned"
    parameters = {"never-learned": request.never_learned, "balanced": request.balanced}
    return positions, parameters, f"{counts}, {unforgettable} learned and never forgotten"


def _choose(request: SampleRequest) -> Choice:
    positions, parameters, note = forgotten_choice(request)
    return request.choice(positions, parameters, (note,))


FORGETTING = Policy(
    "forgetting",
    "samples forgotten most often during training",
    _choose,
    needs=("dynamics",),
    takes=("never_learned", *RECORDED),
    unit="sample",
)


def by_difficulty(
    correct: npt.NDArray[np.int64],
    size: int,
    *,
    hardest: bool,
    margin: npt.NDArray[np.float64] | None = None,
    labels: Labels | None = None,
) -> Positions:
    """``size`` samples from the easiest or from the hardest on.

    Args:
        correct: (samples,), in how many epochs.
        margin: (samples,), higher is easier; decides among equals. Then the samples' order does.
        labels: for the same number of each class.
    """
    sign = 1 if hardest else -1
    further = np.zeros(len(correct)) if margin is None else margin
    return take(ranked(sign * correct, sign * further), size, labels)


def _policy(name: str, *, hardest: bool) -> Policy[SampleRequest]:
    def choose(request: SampleRequest) -> Choice:

        margins = all(dynamics.has("margin") for dynamics in request.dynamics)
        positions = by_difficulty(
            epochs_correct(request.dynamics),
            request.size,
            hardest=hardest,
            margin=mean_score(request.dynamics, "margin") if margins else None,
            labels=request.labels if request.balanced else None,
        )
        ties = "mean margin, then sample order" if margins else "sample order"
        return request.choice(positions, {"balanced": request.balanced, "ties": ties})

    fewest = "fewest" if hardest else "most"
    summary = f"samples predicted correctly in the {fewest} epochs"
    return Policy(name, summary, choose, needs=("dynamics",), takes=RECORDED, unit="sample")


DIFFICULTY = (_policy("easy", hardest=False), _policy("hard", hardest=True))


EL2N_EPOCHS = 10
"""How many first epochs are averaged where the user does not say; all, if there are fewer."""


def highest(scores: npt.NDArray[np.float64], size: int, labels: Labels | None = None) -> Positions:
    """The ``size`` samples with the highest score (samples,); equal ones in the samples' order.

    Args:
        labels: for the same number of each class.
    """
    return take(ranked(-scores), size, labels)


def _first_epochs(request: SampleRequest) -> int:
    shortest = min(dynamics.epochs for dynamics in request.dynamics)
    if request.epochs is not None and request.epochs > shortest:
        raise InputError(f"--epochs {request.epochs}: only {shortest} were recorded")
    return min(EL2N_EPOCHS, shortest) if request.epochs is None else request.epochs


def _choose_el2n(request: SampleRequest) -> Choice:

    epochs = _first_epochs(request)
    scores = mean_score(request.dynamics, "error_norm", 0, epochs)
    positions = highest(scores, request.size, request.labels if request.balanced else None)
    return request.choice(positions, {"epochs": f"the first {epochs}", "balanced": request.balanced})


def _choose_entropy(request: SampleRequest) -> Choice:

    labels = request.labels if request.balanced else None
    positions = highest(final_score(request.dynamics, "entropy"), request.size, labels)
    return request.choice(positions, {"balanced": request.balanced})


def _choose_by_proxy(request: SampleRequest) -> Choice:

    proxy = request.one_model("svp")
    labels = request.labels if request.balanced else None
    if request.criterion is not Criterion.FORGETTING and request.never_learned is not NeverLearned.FIRST:
        raise InputError(f"--never-learned means nothing to --criterion {request.criterion}")
    parameters: dict[str, object] = {"proxy": proxy.header.label, "criterion": request.criterion}
    match request.criterion:
        case Criterion.FORGETTING:
            positions, further, note = forgotten_choice(request)
            return request.choice(positions, parameters | further, (note,))
        case Criterion.ENTROPY:
            positions = highest(final_score([proxy], "entropy"), request.size, labels)
        case Criterion.LEAST_CONFIDENCE:
            positions = highest(-final_score([proxy], "confidence"), request.size, labels)
    return request.choice(positions, parameters | {"balanced": request.balanced})


EL2N = Policy(
    "el2n",
    "samples with the largest error norm early in training",
    _choose_el2n,
    needs=("dynamics",),
    takes=("epochs", *RECORDED),
    unit="sample",
)
ENTROPY = Policy(
    "entropy",
    "samples with the highest entropy of the final prediction",
    _choose_entropy,
    needs=("dynamics",),
    takes=RECORDED,
    unit="sample",
)
SVP = Policy(
    "svp",
    "selection via proxy: the most uncertain samples of a cheaper model",
    _choose_by_proxy,
    needs=("dynamics",),
    takes=("criterion", "never_learned", *RECORDED),
    unit="sample",
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
