"""Easy and hard: by the number of epochs after which a sample was predicted correctly.

As in the removal experiments of the training-stability paper (appendix D), where the 20 % easiest cost nothing and
the hardest much; it orders by forgetting events, of which most samples have none. The number of correct epochs tells
those apart, and where margins were recorded, their mean over epochs tells apart what is still equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlth_bench.selection.policy import Choice, Policy
from dlth_bench.selection.samples.request import RECORDED, SampleRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlth_bench.selection.samples.request import Labels, Positions


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
    import numpy as np

    from dlth_bench.selection.samples.ranking import ranked, take

    sign = 1 if hardest else -1
    further = np.zeros(len(correct)) if margin is None else margin
    return take(ranked(sign * correct, sign * further), size, labels)


def _policy(name: str, *, hardest: bool) -> Policy[SampleRequest]:
    def choose(request: SampleRequest) -> Choice:
        from dlth_bench.selection.samples.recorded import epochs_correct, mean_score

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
