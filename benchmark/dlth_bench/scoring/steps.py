"""Does a change of the recipe do on the subset what it does on the full data (paper, section 4.1 and Fig. 6)?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtrit

from dlth_bench.scoring.sides import Side
from dlth_bench.spec.scorecard import StepScore
from dlth_bench.spec.steps import Step


def least_significant_gap(side: Side, *, level: float = 0.95) -> float:
    """The difference of two configs' means that seed noise alone exceeds with a chance of 1 - ``level``.

    Student's t with the noise pooled over the configs (Fisher's least significant difference for one pair). Configs
    that share a pretraining vary together; then it is on the safe side.

    Returns:
        in the accuracies' unit; nan if the noise is unknown.
    """
    if not side.dof > 0 or math.isnan(side.error_variance):
        return math.nan
    dof = min(side.dof, 1e9)  # stdtrit knows no infinity
    return float(stdtrit(dof, (1 + level) / 2)) * math.sqrt(2 * side.error_variance)


def step_scores(steps: Sequence[Step], configs: Sequence[str], subset: Side, reference: Side) -> tuple[StepScore, ...]:
    """Sign and size of each step on both sides, for the steps both of whose configs are there.

    Args:
        configs: names, in the order of the sides' means.
    """
    place = {name: index for index, name in enumerate(configs)}
    subset_noise, full_noise = least_significant_gap(subset), least_significant_gap(reference)
    scores = []
    for step in steps:
        if step.before not in place or step.after not in place:
            continue
        before, after = place[step.before], place[step.after]
        full, own = (float(side.means[after] - side.means[before]) for side in (reference, subset))
        # A comparison with an unknown noise (nan) is false: nothing is claimed then.
        clear = abs(full) > full_noise and abs(own) > subset_noise
        scores.append(
            StepScore(
                axis=step.axis,
                before=step.before,
                after=step.after,
                also=step.also,
                full_gap=full,
                full_noise=None if math.isnan(full_noise) else full_noise,
                subset_gap=own,
                subset_noise=None if math.isnan(subset_noise) else subset_noise,
                same_sign=(full > 0) == (own > 0) if clear else None,
            )
        )
    return tuple(scores)
