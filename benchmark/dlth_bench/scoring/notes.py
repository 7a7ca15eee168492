"""What a reader of a scorecard must know before believing its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray
from dlth_bench.scoring.sides import Side
from dlth_bench.spec.metric import ACCURACY, Metric
from dlth_bench.spec.scorecard import ConfigScore, StructureScore


def scorecard_notes(
    scores: Sequence[ConfigScore],
    subset: Side,
    reference: Side,
    about_reference: str,
    structure: StructureScore | None,
    metric: Metric = ACCURACY,
) -> tuple[str, ...]:
    """One sentence for everything that is missing, unknown or tied.

    Args:
        scores: of all configs of the protocol.
        subset: the accuracies of the configs that have any, higher being better; likewise ``reference``.
        about_reference: what is taken for granted about its noise.
    """
    scored = [score for score in scores if score.accuracies]
    notes = []
    if len(scored) < len(scores):
        left_out = len(scores) - len(scored)
        notes.append(f"{left_out} of {len(scores)} configs have no {metric.name} and are left out of all figures")
    if len(scored) == MINIMUM_CONFIGS:
        notes.append("3 configs: too few to leave one out, and for an interval over configs")
    if subset.dof == 0:
        notes.append("one seed a config: the subset's seed noise is unknown")
    if about_reference:
        notes.append(about_reference)
    elif reference.dof == 0:
        notes.append("one seed a config on the full data: its noise is unknown, and so are intervals and ceiling")
    notes += [
        f"all configs have the same {metric.name} on the {name}: no correlation is defined"
        for name, side in (("subset", subset), ("full data", reference))
        if np.ptp(side.means) == 0
    ]
    notes += _ties(scored, subset.means)
    if structure is not None and structure.rests_on_families:
        notes.append(
            "the correlation rests on families of methods: it is beyond chance over all configs, "
            f"but among the configs of a family a random order does as well with a chance of {structure.within_p:.2f}"
        )
    return tuple(notes)


def _ties(scored: Sequence[ConfigScore], means: FloatArray) -> list[str]:
    best = [score.config for score, mean in zip(scored, means, strict=True) if math.isclose(mean, means.max())]
    if not 1 < len(best) < len(scored):
        return []
    return [f"{', '.join(best)} tie for the subset's first place: its pick is a toss-up, and the regret is their mean"]
