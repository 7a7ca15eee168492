"""Would the subset have led to the same choice as the full data? Regret, pairs, families, single changes.

Every function takes (configs,) mean accuracies of both sides, the same configs in the same order. Where the subset's
accuracies tie, its choice is a toss-up, and the functions give the expectation over it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are first used, so that --help does without them
from numpy.typing import ArrayLike, NDArray

from dlth_bench.protocols.protocol import Config
from dlth_bench.scoring.correlation import (
    MINIMUM_CONFIGS,
    FloatArray,
    as_configs,
    correlate,
    paired,
    permutation_p_values,
)
from dlth_bench.scoring.scorecard import DecisionScore, FamilyScore, StepScore, StructureScore
from dlth_bench.scoring.sides import Side

AXES = ("backbone", "budget", "evaluation", "augmentation", "pruning")
"""What a step may change; settings of the recipe outside these make one of their own only if nothing else differs."""

RECIPE = "recipe"


@dataclass(frozen=True)
class Step:
    """Two configs of one kind of method.

    Attributes:
        axis: what differs: one of `AXES`, several joined by " + ", or "recipe".
        before: the config that comes first in the protocol; on the axis of budgets, the one with the smaller budget.
        after: the other.
        also: paths of settings outside the axis that differ, too, e.g. ``method.temperature``.
    """

    axis: str
    before: str
    after: str
    also: tuple[str, ...] = ()


def family_of(config: Config, configs: Sequence[Config]) -> str:
    """The kind of method; of backbone where all configs share the method; empty where they share that, too."""
    if len({other.method.kind for other in configs}) > 1:
        return config.method.kind
    return config.backbone.kind if len({other.backbone.kind for other in configs}) > 1 else ""


def steps_of(configs: Sequence[Config]) -> tuple[Step, ...]:
    """The steps of a grid, in its order.

    Two configs of the same kind of method and of backbone make a step if they differ in one thing, an axis or the rest
    of the recipe, and no third one lies between them. Where this leaves configs of a kind unconnected, the pair that
    differs in the fewest things joins them: its axis names all that it changes, and other settings are named too.
    """
    compared = [_compared(one, other) for one, other in combinations(configs, 2) if _comparable(one, other)]
    single = [step for step in compared if _things(step) == 1]
    kept = [step for step in single if not _through_others(step, single)]
    group = {config.name: config.name for config in configs}
    for step in kept:
        _join(group, step)
    for step in sorted(compared, key=_things):
        if group[step.before] != group[step.after]:
            kept.append(step)
            _join(group, step)
    order = [config.name for config in configs]
    return tuple(sorted(kept, key=lambda step: (order.index(step.before), order.index(step.after))))


def _comparable(one: Config, other: Config) -> bool:
    return one.method.kind == other.method.kind and one.backbone.kind == other.backbone.kind


def _compared(one: Config, other: Config) -> Step:
    changed = [(path, _axis_of(path, one, other)) for path in _differences(_settings(one), _settings(other))]
    axes = [axis for axis in AXES if any(axis == found for _, found in changed)]
    also = tuple(".".join(path) for path, found in changed if found == RECIPE)
    before, after = (other, one) if axes == ["budget"] and _budget(other) < _budget(one) else (one, other)
    return Step(" + ".join(axes) or RECIPE, before.name, after.name, also)


def _things(step: Step) -> int:
    """How many things a step changes: its axes, and the rest of the recipe."""
    return 1 + step.axis.count(" + ") + bool(step.also and step.axis != RECIPE)


def _budget(config: Config) -> float:
    """Amount of training, in the unit that all configs of a protocol share."""
    return float(getattr(config.train.duration, config.train.duration.unit))


def _axis_of(path: tuple[str, ...], one: Config, other: Config) -> str:
    if path[0] in {"backbone", "pruning"}:
        return path[0]
    if path[:2] == ("train", "duration"):
        return "budget"
    if path[0] == "evaluation":
        kinds = {None if config.evaluation is None else config.evaluation.kind for config in (one, other)}
        return "evaluation" if len(kinds) > 1 else RECIPE
    if path[0] == "method" and len(path) > 1 and path[1] in {"augment", "global_views", "local_view"}:
        return "augmentation"
    return RECIPE


def _settings(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"name", "title", "notes", "factors"})


def _differences(one: Any, other: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the settings in which two nested values differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _differences(one.get(key), other.get(key), (*path, key))
    elif one != other:
        yield path


def _through_others(step: Step, steps: Sequence[Step]) -> bool:
    """Whether two smaller steps along the same axis lead from the one config to the other."""
    reached = {other.after for other in steps if other.before == step.before and other.axis == step.axis}
    return any(other.before in reached and other.after == step.after and other.axis == step.axis for other in steps)


def _join(group: dict[str, str], step: Step) -> None:
    old, new = group[step.after], group[step.before]
    for name, value in group.items():
        if value == old:
            group[name] = new


CHANCE = 0.05
"""A p-value up to this is beyond chance."""

LIKELY_CHANCE = 0.25
"""Beyond this p-value one order in four does as well: nothing speaks for a trend. Between the two, nothing is said."""

_EXACT_UP_TO = 40_320
_SAMPLES = 20_000
_SAME = 1e-9


def structure_scores(
    subsets: FloatArray, reference: FloatArray, families: Sequence[str], *, seed: int = 0
) -> list[StructureScore | None]:
    """The structure of each subset's trend.

    Args:
        subsets: (subsets, configs) mean accuracies.
        reference: (configs,) mean accuracies.
        families: the family of each config.
        seed: of the random orders, where there are too many to enumerate.

    Returns:
        None for all if the configs are of one family, or each of its own.
    """
    names = list(dict.fromkeys(families))
    if not 1 < len(names) < len(families):
        return [None] * len(subsets)
    members = [np.array([index for index, family in enumerate(families) if family == name]) for name in names]
    deviations, own = _deviations(subsets, members), _deviations(reference, members)
    within = _cosines(deviations, own)
    orders = _orders(members, seed)
    # Orders that tie with the observed one in exact arithmetic differ by rounding only.
    least = deviations @ own - _SAME * np.sqrt((deviations**2).sum(1) * (own**2).sum())
    reached = (own[orders] @ deviations.T >= least).mean(0)
    within_p = np.where(np.isnan(within), np.nan, reached)
    pooled_p = permutation_p_values(subsets, reference)
    between = _between(subsets, reference, members)
    by_family = [_family_scores(name, subsets, reference, m) for name, m in zip(names, members, strict=True)]
    return [
        StructureScore(
            families=own_families,
            within=_known(within[index]),
            within_p=_known(within_p[index]),
            between=_known(between[index]),
            rests_on_families=_rests(float(pooled_p[index]), float(within_p[index])),
        )
        for index, own_families in enumerate(zip(*by_family, strict=True))
    ]


def _rests(pooled_p: float, within_p: float) -> bool | None:
    if math.isnan(within_p) or math.isnan(pooled_p) or pooled_p > CHANCE:
        return None
    if within_p <= CHANCE:
        return False
    return True if within_p > LIKELY_CHANCE else None


def _family_scores(
    name: str, subsets: FloatArray, reference: FloatArray, members: NDArray[np.int64]
) -> list[FamilyScore]:
    """One family's score for each subset."""
    x, y = subsets[:, members], reference[members]
    one, other = np.triu_indices(len(members), 1)
    agreed = (np.sign(x[:, one] - x[:, other]) * np.sign(y[one] - y[other]) > 0).sum(1)
    unknown = np.full(len(x), np.nan)
    enough = len(members) >= MINIMUM_CONFIGS
    linear = correlate(x, y) if enough else unknown
    ranks = correlate(x, y, "spearman") if enough else unknown
    return [
        FamilyScore(
            family=name,
            configs=len(members),
            pearson=_known(linear[index]),
            spearman=_known(ranks[index]),
            pairs_agreed=int(agreed[index]),
            pairs=len(one),
        )
        for index in range(len(x))
    ]


def _deviations(values: FloatArray, members: Sequence[NDArray[np.int64]]) -> FloatArray:
    """Deviations from the mean of the family."""
    centred = np.array(values, dtype=np.float64)
    for family in members:
        centred[..., family] -= centred[..., family].mean(-1, keepdims=True)
    return centred


def _cosines(x: FloatArray, y: FloatArray) -> FloatArray:
    """(subsets,) Pearson's correlation of centred vectors; nan where one has no length."""
    lengths = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    defined = lengths > 1e-12
    found: FloatArray = np.where(defined, (x @ y) / np.where(defined, lengths, 1.0), np.nan)
    return np.clip(found, -1.0, 1.0)


def _between(subsets: FloatArray, reference: FloatArray, members: Sequence[NDArray[np.int64]]) -> FloatArray:
    if len(members) < MINIMUM_CONFIGS:
        return np.full(len(subsets), np.nan)
    own = np.stack([subsets[:, family].mean(1) for family in members], axis=1)
    return correlate(own, np.array([reference[family].mean() for family in members]))


def _orders(members: Sequence[NDArray[np.int64]], seed: int) -> NDArray[np.int64]:
    """(orders, configs) reorderings of the configs that leave every family together: all, or a sample."""
    count, configs = math.prod(math.factorial(len(family)) for family in members), sum(map(len, members))
    if count <= _EXACT_UP_TO:
        choices = list(product(*(list(permutations(family)) for family in members)))
        orders = np.empty((count, configs), dtype=np.int64)
        for index, choice in enumerate(choices):
            for family, order in zip(members, choice, strict=True):
                orders[index, family] = order
        return orders
    rng = np.random.default_rng(seed)
    orders = np.tile(np.arange(configs), (_SAMPLES, 1))
    for family in members:
        orders[1:, family] = rng.permuted(np.tile(family, (_SAMPLES - 1, 1)), axis=1)
    return orders


def _known(value: float | FloatArray) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


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
    return float(scipy.special.stdtrit(dof, (1 + level) / 2)) * math.sqrt(2 * side.error_variance)


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
