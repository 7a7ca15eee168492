"""Policies that keep the samples with the highest score of a trained model: EL2N, maximum entropy, and SVP.

- EL2N (Paul et al. 2021): the norm of the error, softmax minus one-hot label, early in training and averaged over
  several trainings.
- Entropy: uncertainty sampling by the entropy of the prediction after the last epoch, a baseline of the PrAC paper
  (section 4.3).
- SVP, selection via proxy (Coleman et al. 2020), the other baseline there: the model that scores is a cheaper one than
  those to be trained, a smaller backbone or fewer epochs. What is read from it is a choice of its own; their code
  offers least confidence (its default), entropy, forgetting events and k-centres (for which take ``kcenter`` with the
  proxy's dynamics). The PrAC paper does not say which it took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlth_bench.selection.policy import Choice, Policy
from dlth_bench.selection.samples.forgetting import forgotten_choice
from dlth_bench.selection.samples.request import RECORDED, Criterion, NeverLearned, SampleRequest
from dlth_bench.spec.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.selection.samples.request import Labels, Positions

EL2N_EPOCHS = 10
"""How many first epochs are averaged where the user does not say; all, if there are fewer."""


def highest(scores: npt.NDArray[np.float64], size: int, labels: Labels | None = None) -> Positions:
    """The ``size`` samples with the highest score (samples,); equal ones in the samples' order.

    Args:
        labels: for the same number of each class.
    """
    from dlth_bench.selection.samples.ranking import ranked, take

    return take(ranked(-scores), size, labels)


def _first_epochs(request: SampleRequest) -> int:
    shortest = min(dynamics.epochs for dynamics in request.dynamics)
    if request.epochs is not None and request.epochs > shortest:
        raise InputError(f"--epochs {request.epochs}: only {shortest} were recorded")
    return min(EL2N_EPOCHS, shortest) if request.epochs is None else request.epochs


def _choose_el2n(request: SampleRequest) -> Choice:
    from dlth_bench.selection.samples.recorded import mean_score

    epochs = _first_epochs(request)
    scores = mean_score(request.dynamics, "error_norm", 0, epochs)
    positions = highest(scores, request.size, request.labels if request.balanced else None)
    return request.choice(positions, {"epochs": f"the first {epochs}", "balanced": request.balanced})


def _choose_entropy(request: SampleRequest) -> Choice:
    from dlth_bench.selection.samples.recorded import final_score

    labels = request.labels if request.balanced else None
    positions = highest(final_score(request.dynamics, "entropy"), request.size, labels)
    return request.choice(positions, {"balanced": request.balanced})


def _choose_by_proxy(request: SampleRequest) -> Choice:
    from dlth_bench.selection.samples.recorded import final_score

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
