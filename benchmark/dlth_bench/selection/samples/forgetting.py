"""Forgetting events (Toneva et al. 2019): how often a sample that was predicted correctly no longer was.

A sample that was never predicted correctly was never forgotten either. What that says about it differs between
publications: the hardest of all (Toneva et al.; a threshold that all of them pass in the PrAC code), or, counted as
zero events, one of the easiest. So events and never-learned are kept apart, and ``--never-learned`` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlth_bench.selection.policy import Choice, Policy
from dlth_bench.selection.samples.request import RECORDED, NeverLearned, SampleRequest
from dlth_bench.spec.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.selection.dynamics import Dynamics
    from dlth_bench.selection.samples.request import Labels, Positions


@dataclass(frozen=True, eq=False)
class Forgetting:
    """What a training did to each sample.

    events: int64 (samples,), from correct in one epoch to wrong in the next.
    learned: bool (samples,), correct in at least one epoch.
    """

    events: npt.NDArray[np.int64]
    learned: npt.NDArray[np.bool_]


def forgetting(correct: Iterable[npt.NDArray[np.bool_]]) -> Forgetting:
    """Events of one training.

    Args:
        correct: of each epoch, bool (samples,).
    """
    import numpy as np

    rows = iter(correct)
    before = np.array(next(rows))
    learned, events = before.copy(), np.zeros(len(before), dtype=np.int64)
    for now in rows:
        events += before & ~now
        learned |= now
        before = now
    return Forgetting(events, learned)


def summed(trainings: Sequence[Forgetting]) -> Forgetting:
    """Several trainings on the same samples: the sum of events, and whether any of them learned the sample."""
    import numpy as np

    return Forgetting(
        np.sum([training.events for training in trainings], axis=0),
        np.any([training.learned for training in trainings], axis=0),
    )


def most_forgotten(
    statistics: Forgetting,
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
    import numpy as np

    from dlth_bench.selection.samples.ranking import ranked, take

    learned = statistics.learned
    apart = learned if never_learned is NeverLearned.FIRST else ~learned
    ties = np.zeros(len(learned), dtype=np.int64) if epochs_correct is None else epochs_correct
    order = ranked(apart, -statistics.events, ties)
    if never_learned is NeverLearned.EXCLUDE:
        order = order[learned[order]]
        if len(order) < size:
            raise InputError(f"size {size}: only {len(order)} of the {len(learned)} samples were ever learned")
    return take(order, size, labels)


def read_forgetting(dynamics: Sequence[Dynamics]) -> Forgetting:
    """The summed statistics of recorded trainings."""
    return summed([forgetting(recorded.correct()) for recorded in dynamics])


def forgotten_choice(request: SampleRequest) -> tuple[Positions, dict[str, object], str]:
    """Positions, parameters and a note, for this policy and for the proxy's."""
    from dlth_bench.selection.samples.recorded import epochs_correct

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
