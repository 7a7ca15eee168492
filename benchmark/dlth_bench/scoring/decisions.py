"""Would the subset have led to the same choice as the full data?

Every function takes (configs,) mean accuracies of both sides, the same configs in the same order. Where the subset's
accuracies tie, its choice is a toss-up, and the functions give the expectation over it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlth_bench.scoring.correlation import as_configs, paired
from dlth_bench.scoring.sides import Side
from dlth_bench.scoring.steps import least_significant_gap
from dlth_bench.spec.scorecard import DecisionScore


def regret(subset: ArrayLike, reference: ArrayLike) -> float:
    """Full-data accuracy lost by choosing the config that the subset ranks first.

    Returns:
        best reference accuracy - reference accuracy of the subset's choice, >= 0, in the unit of ``reference``
        (accuracy points if it is in per cent); the mean over the configs that tie for the subset's first place.

    Raises:
        ValueError: on vectors of unequal length or with fewer than 3 configs.
    """
    chosen_by, judged_by = paired(subset, reference, ndim=1)
    first = chosen_by == chosen_by.max()
    return max(0.0, float(judged_by.max() - judged_by[first].mean()))


def top1_hit(subset: ArrayLike, reference: ArrayLike) -> float:
    """Whether the subset's first config is (one of) the reference's best: 1 or 0, a probability if the subset ties.

    Raises:
        ValueError: as `regret`.
    """
    return _hit(subset, reference, 1)


def top2_hit(subset: ArrayLike, reference: ArrayLike) -> float:
    """Whether (one of) the reference's best is among the subset's first two; 1, 0, or a probability if it ties.

    Raises:
        ValueError: as `regret`.
    """
    return _hit(subset, reference, 2)


@dataclass(frozen=True)
class PairwiseAgreement:
    """On how many pairs of configs the subset names the same winner as the full data.

    Attributes:
        agreed: pairs with the same winner; a pair that ties on the subset is not agreed.
        counted: pairs whose full-data difference exceeds the seed noise.
    """

    agreed: int
    counted: int

    @property
    def share(self) -> float:
        """agreed / counted, nan if no pair counts."""
        return self.agreed / self.counted if self.counted else float("nan")


def pairwise_agreement(
    subset: ArrayLike, reference: ArrayLike, reference_error: ArrayLike, *, z: float = 1.96
) -> PairwiseAgreement:
    """Count the pairs of configs that subset and full data order alike, among those the full data tells apart.

    A pair (a, b) counts if |reference_a - reference_b| > z * sqrt(se_a^2 + se_b^2), the two-sample z-test.

    Args:
        subset: (configs,) accuracies.
        reference: (configs,) accuracies.
        reference_error: (configs,) standard errors of ``reference``, or one for all; 0 counts every pair that differs.
        z: how many standard errors a difference must exceed; 1.96 is a two-sided 5 % test a pair.

    Raises:
        ValueError: as `regret`; also on standard errors or z that are negative or not finite, or of a wrong length.
    """
    ordered_by, judged_by = paired(subset, reference, ndim=1)
    errors = np.asarray(reference_error, dtype=np.float64)
    if errors.ndim:
        errors = as_configs(errors, "reference_error", ndim=1)
    if errors.ndim and len(errors) != len(judged_by):
        raise ValueError(f"reference_error has {len(errors)} configs but reference has {len(judged_by)}")
    if not (np.isfinite(errors) & (errors >= 0)).all():
        raise ValueError(f"reference_error: {errors.tolist()}, expected finite standard errors >= 0")
    if not 0 <= z < np.inf:
        raise ValueError(f"z: {z}, expected a finite number >= 0")
    squares = np.broadcast_to(errors**2, judged_by.shape)
    one, other = np.triu_indices(len(judged_by), 1)
    difference = judged_by[one] - judged_by[other]
    counted = np.abs(difference) > z * np.sqrt(squares[one] + squares[other])
    agreed = counted & (np.sign(difference) == np.sign(ordered_by[one] - ordered_by[other]))
    return PairwiseAgreement(int(agreed.sum()), int(counted.sum()))


def resolved_gap(subset: ArrayLike, reference: ArrayLike) -> float | None:
    """The smallest difference on the full data from which on the subset orders every pair as the full data do.

    Returns:
        the smallest difference of a pair that is larger than those of all pairs ordered wrongly or tied on the subset,
        in the unit of ``reference``; None if there is no such pair.

    Raises:
        ValueError: as `regret`.
    """
    ordered_by, judged_by = paired(subset, reference, ndim=1)
    one, other = np.triu_indices(len(judged_by), 1)
    difference, own = judged_by[one] - judged_by[other], ordered_by[one] - ordered_by[other]
    gap, wrong = np.abs(difference), np.sign(difference) != np.sign(own)
    largest_wrong = gap[wrong & (gap > 0)].max(initial=0.0)
    above = gap[gap > largest_wrong]
    return float(above.min()) if len(above) else None


def decision_score(configs: Sequence[str], subset: Side, reference: Side) -> DecisionScore:
    """All of these figures of a subset.

    Args:
        configs: names, in the order of both sides' means.
    """
    own, full = subset.means, reference.means
    error = reference.standard_error
    pairs = pairwise_agreement(own, full, 0.0 if math.isnan(error) else error)
    noise = least_significant_gap(subset)
    return DecisionScore(
        picked=configs[int(own.argmax())],
        best=configs[int(full.argmax())],
        regret=regret(own, full),
        top1_hit=top1_hit(own, full),
        top2_hit=top2_hit(own, full),
        resolved_gap=resolved_gap(own, full),
        noise_gap=None if math.isnan(noise) else noise,
        pairs_agreed=pairs.agreed,
        pairs_resolved=pairs.counted,
    )


def _hit(subset: ArrayLike, reference: ArrayLike, places: int) -> float:
    """Probability that a best config of the reference is among the subset's first ``places``, ties broken at random."""
    ranked_by, judged_by = paired(subset, reference, ndim=1)
    threshold = np.sort(ranked_by)[-places]
    best = judged_by == judged_by.max()
    above, tied = ranked_by > threshold, ranked_by == threshold
    if (best & above).any():
        return 1.0
    open_places, rivals, candidates = places - int(above.sum()), int(tied.sum()), int((best & tied).sum())
    # Hypergeometric: no candidate drawn when the open places are filled from the tied configs.
    return 1.0 - math.comb(rivals - candidates, open_places) / math.comb(rivals, open_places)
