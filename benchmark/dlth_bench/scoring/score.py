"""A scorecard from the outcomes of a subset's runs and the protocol's reference: its trend, notes and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

import dlth_bench
from dlth_bench.protocols.measurements import ACCURACY, Metric
from dlth_bench.protocols.protocol import Config, Cost, Protocol, Reference
from dlth_bench.scoring.ceiling import disattenuated, noise_ceiling, reliability_of
from dlth_bench.scoring.correlation import (
    MINIMUM_CONFIGS,
    FloatArray,
    Statistic,
    correlate,
    leave_one_out,
    permutation_p_values,
)
from dlth_bench.scoring.decisions import decision_score, family_of, step_scores, steps_of, structure_scores
from dlth_bench.scoring.interval_over_configs import config_intervals
from dlth_bench.scoring.interval_over_seeds import seed_intervals
from dlth_bench.scoring.scorecard import ConfigScore, CorrelationScore, CostScore, Scorecard, StructureScore
from dlth_bench.scoring.sides import ReferenceSide, Side, padded, reference_side, stack, summarise
from dlth_bench.util.errors import InputError


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


_ONE = 1 - 1e-6
"""From here on a correlation is 1 but for rounding."""


def trend_scores(subsets: Sequence[Side], reference: ReferenceSide) -> list[dict[Statistic, CorrelationScore]]:
    """The correlations of many subsets with one reference over the same configs.

    Args:
        subsets: accuracies of each subset.
        reference: of the same configs in the same order.

    Returns:
        a score by statistic for each subset; a value of None where a side's means are constant.
    """
    full = summarise(reference.scores, "reference")
    stacked = stack(subsets)
    names: tuple[Statistic, ...] = get_args(Statistic)
    over_seeds, over_configs = seed_intervals(stacked, full), config_intervals(stacked.means, full.means)
    ceilings = _ceilings(reference, subsets, names)
    found: list[dict[Statistic, CorrelationScore]] = [{} for _ in subsets]
    for name in names:
        values = correlate(stacked.means, full.means, name)
        p_values = permutation_p_values(stacked.means, full.means, name)
        for index, side in enumerate(subsets):
            if math.isnan(values[index]):
                found[index][name] = CorrelationScore(value=None)
                continue
            low, high = (bounded(end) for end in over_seeds[name][index])
            correctable = name == "pearson" and not reference.exact
            found[index][name] = CorrelationScore(
                value=bounded(values[index]),
                low=low,
                high=high,
                configs_low=bounded(over_configs[name][index, 0]),
                configs_high=bounded(over_configs[name][index, 1]),
                p_value=float(p_values[index]),
                ceiling=ceilings[name, side.seeds],
                reaches_ceiling=None if high is None or reference.exact else high >= _ONE,
                disattenuated=_corrected(values[index], side, full) if correctable else None,
            )
    return found


def bounded(value: float | FloatArray) -> float | None:
    """A correlation as a number in [-1, 1]; None for nan."""
    number = float(value)
    return None if math.isnan(number) else max(-1.0, min(1.0, number))


def _ceilings(
    reference: ReferenceSide, subsets: Sequence[Side], names: Sequence[Statistic]
) -> Mapping[tuple[Statistic, float], float | None]:
    """The noise ceiling by statistic and runs behind a subset's mean; simulated once for each."""
    return {
        (name, seeds): None if reference.exact else bounded(noise_ceiling(reference.scores, name, other_seeds=seeds))
        for name in names
        for seeds in {side.seeds for side in subsets}
    }


def _corrected(value: float, subset: Side, reference: Side) -> float | None:
    return bounded(disattenuated(float(value), reliability_of(subset), reliability_of(reference)))


@dataclass(frozen=True)
class Saving:
    """How much cheaper one resource got.

    Attributes:
        fraction: share of the full cost that was saved; negative if the subset cost more.
        factor: full cost / subset cost ("x times cheaper"); inf if the subset cost nothing.
    """

    fraction: float
    factor: float


@dataclass(frozen=True)
class Savings:
    """Savings in each resource of a `Cost`; None where the full cost was not measured.

    Attributes:
        images: training samples drawn.
        flops: floating-point operations of training.
        device_seconds: wall seconds times devices; comparable only on the same kind of device.
    """

    images: Saving | None
    flops: Saving | None
    device_seconds: Saving | None


def savings(subset_total: Cost, full_total: Cost) -> Savings:
    """Compare the cost of all runs on the subset with the cost of the same runs on the full data.

    Args:
        subset_total: summed over configs and seeds.
        full_total: summed over the same configs and as many seeds; a resource that is 0 counts as not measured.
    """
    return Savings(
        images=_saving(subset_total.images, full_total.images),
        flops=_saving(subset_total.flops, full_total.flops),
        device_seconds=_saving(subset_total.device_seconds, full_total.device_seconds),
    )


def cost_score(spent: Mapping[str, Sequence[Cost]], devices: frozenset[str], reference: Reference) -> CostScore | None:
    """Costs of the runs that are there, next to the reference's for as many runs of the same configs.

    Args:
        spent: the cost of each run by config.
        devices: what they ran on; device time is compared only with a reference of the same kind of device.

    Returns:
        None if no run says what it cost.
    """
    if not any(spent.values()):
        return None
    subset = total([(cost, 1.0) for costs in spent.values() for cost in costs])
    parts = [(reference.configs[name], len(costs)) for name, costs in spent.items() if costs]
    if any(entry.cost is None for entry, _ in parts):
        return CostScore(subset=subset, full=None)
    same_device = all(device and device in reference.hardware for device in devices)
    full = total([(entry.cost, runs / max(1, len(entry.accuracies))) for entry, runs in parts if entry.cost])
    saved = savings(subset, full)
    return CostScore(
        subset=subset,
        full=full,
        images_saved=saved.images.fraction if saved.images else None,
        flops_saved=saved.flops.fraction if saved.flops else None,
        device_seconds_saved=saved.device_seconds.fraction if saved.device_seconds and same_device else None,
    )


def total(parts: Sequence[tuple[Cost, float]]) -> Cost:
    """The weighted sum of costs."""
    return Cost(
        images=round(sum(cost.images * weight for cost, weight in parts)),
        flops=sum(cost.flops * weight for cost, weight in parts),
        device_seconds=sum(cost.device_seconds * weight for cost, weight in parts),
    )


def _saving(subset: float, full: float) -> Saving | None:
    if full == 0:
        return None
    return Saving(fraction=1 - subset / full, factor=full / subset if subset else math.inf)


@dataclass(frozen=True)
class Cell:
    """The outcome of one run of a config; ``problem`` says what is wrong with it, if anything.

    ``accuracy`` is the value of the protocol's metric, which need not be the accuracy.
    """

    seed: int
    accuracy: float | None
    problem: str = ""
    cost: Cost | None = None
    device: str = ""


@dataclass(frozen=True)
class Outcomes:
    """What the runs on one subset gave.

    Attributes:
        cells: the runs of each config, by its name.
        subset_digest: empty for a table of accuracies without a subset.
        classes: how many classes the subset has; 0 when it is not known.
        samples: how many samples a sample subset has; None when it is one of classes.
    """

    cells: Mapping[str, Sequence[Cell]]
    subset_digest: str = ""
    classes: int = 0
    samples: int | None = None


class NotScorable(InputError):
    """There is too little to compute a score from; what there is may be right."""


def make_scorecard(
    protocol: Protocol,
    cells: Mapping[str, Sequence[Cell]],
    *,
    subset_digest: str = "",
    classes: int = 0,
    samples: int | None = None,
    seeds: Sequence[int] | None = None,
) -> Scorecard:
    """Score outcomes by config name against the protocol's reference.

    Correlations are over the configs that have at least one accuracy; what is missing is named, not invented.

    Args:
        cells: the runs of each config.
        classes: how many classes the subset has; 0 when it is not known.
        samples: how many samples a sample subset has; None when it is one of classes.
        seeds: the seeds that should be there; None: the protocol's.

    Raises:
        NotScorable: the protocol has no reference, or fewer than three configs have an accuracy.
    """
    return make_scorecards(protocol, [Outcomes(cells, subset_digest, classes, samples)], seeds=seeds)[0]


def make_scorecards(
    protocol: Protocol, outcomes: Sequence[Outcomes], *, seeds: Sequence[int] | None = None
) -> list[Scorecard]:
    """`make_scorecard` of many subsets at once, which is a hundred times faster than one by one.

    Raises:
        NotScorable: see `make_scorecard`; for the first of the subsets that cannot be scored.
    """
    reference = protocol.reference
    if reference is None:
        raise NotScorable(f"{protocol.key} has no full-data reference yet; measure it with: dlth-bench reference")
    wanted, metric = protocol.seeds if seeds is None else seeds, protocol.metric
    full = {name: entry.statistics for name, entry in reference.configs.items()}
    families = {config.name: family_of(config, protocol.configs) for config in protocol.configs}
    rows = [
        tuple(
            _config_score(config, families[config.name], cells.get(config.name, ()), wanted, full[config.name], metric)
            for config in protocol.configs
        )
        for cells in (one.cells for one in outcomes)
    ]
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, scores in enumerate(rows):
        groups.setdefault(tuple(score.config for score in scores if score.accuracies), []).append(index)
    found: dict[int, Scorecard] = {}
    for names, members in groups.items():
        if len(names) < MINIMUM_CONFIGS:
            raise NotScorable(
                f"{len(names)} of {len(protocol.configs)} configs have an accuracy; "
                f"a correlation needs {MINIMUM_CONFIGS} or more"
            )
        cards = _scorecards(protocol, reference, names, [rows[i] for i in members], [outcomes[i] for i in members])
        found.update(zip(members, cards, strict=True))
    return [found[index] for index in range(len(outcomes))]


def _scorecards(
    protocol: Protocol,
    reference: Reference,
    names: tuple[str, ...],
    rows: Sequence[tuple[ConfigScore, ...]],
    outcomes: Sequence[Outcomes],
) -> list[Scorecard]:
    """Scorecards of subsets that have accuracies of the same configs."""
    metric = protocol.metric
    against = reference_side(reference, names, metric)
    full = summarise(against.scores, "reference")
    noise = {name: (std, count) for name, std, count in zip(names, against.noise, against.seeds, strict=True)}
    scored = [[score for score in scores if score.accuracies] for scores in rows]
    sides = [summarise(padded([score.accuracies for score in some]), "subset") for some in scored]
    means = np.stack([side.means for side in sides])
    trends = trend_scores(sides, against)
    influence = leave_one_out(means, full.means, "spearman") if len(names) > MINIMUM_CONFIGS else None
    structures = structure_scores(means, full.means, [score.family for score in scored[0]])
    steps = steps_of(protocol.configs)
    digest, cards, best_first = protocol.digest, [], full.oriented(metric)
    for index, (scores, side, trend) in enumerate(zip(rows, sides, trends, strict=True)):
        ranked = side.oriented(metric)
        cards.append(
            Scorecard(
                package=dlth_bench.__version__,
                protocol=protocol.key,
                protocol_digest=digest,
                manifest_digest=protocol.data.manifest_digest,
                metric=metric,
                replaces=protocol.subset.replaces,
                subset_digest=outcomes[index].subset_digest,
                classes=outcomes[index].classes,
                samples=outcomes[index].samples,
                configs=tuple(_with_noise(score, noise) for score in scores),
                pearson=trend["pearson"],
                spearman=trend["spearman"],
                kendall=trend["kendall"],
                subset_reliability=_known(reliability_of(side)),
                reference_reliability=None if against.exact else _known(reliability_of(full)),
                leave_one_out={} if influence is None else _by_config(names, influence[index]),
                decision=decision_score(names, ranked, best_first),
                steps=step_scores(steps, names, side, full),
                structure=structures[index],
                cost=_cost(outcomes[index].cells, reference),
                complete=not any(score.problems for score in scores),
                notes=scorecard_notes(scores, ranked, best_first, against.note, structures[index], metric),
            )
        )
    return cards


def _config_score(
    config: Config,
    family: str,
    cells: Sequence[Cell],
    seeds: Sequence[int],
    reference: tuple[float, float | None],
    metric: Metric,
) -> ConfigScore:
    present = {cell.seed for cell in cells}
    missing = tuple(f"seed {seed} is missing" for seed in seeds if seed not in present)
    problems = tuple(cell.problem or _not_a_value(cell, metric) for cell in cells)
    accuracies = tuple(cell.accuracy for cell in cells if cell.accuracy is not None and metric.holds(cell.accuracy))
    mean = math.fsum(accuracies) / len(accuracies) if accuracies else None
    return ConfigScore(
        config=config.name,
        title=config.title,
        accuracies=accuracies,
        mean=mean,
        std=None if mean is None or len(accuracies) < 2 else _std(accuracies, mean),
        reference_mean=reference[0],
        reference_std=reference[1],
        family=family,
        problems=missing + tuple(problem for problem in problems if problem),
    )


def _std(values: Sequence[float], mean: float) -> float:
    # statistics.stdev is exact, and slower than all the rest of a scorecard.
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _not_a_value(cell: Cell, metric: Metric) -> str:
    """What is wrong with a number that the metric cannot be, such as the nan of a run that broke down, if anything."""
    if cell.accuracy is None or metric.holds(cell.accuracy):
        return ""
    return f"seed {cell.seed} has {metric.problem(cell.accuracy)}"


def _with_noise(score: ConfigScore, noise: Mapping[str, tuple[float | None, int]]) -> ConfigScore:
    """The score with the reference's noise as reckoned with; configs that are left out have none."""
    if score.config not in noise:
        return score
    std, count = noise[score.config]
    return score.model_copy(update={"reference_noise": std, "reference_seeds": count})


def _by_config(names: Sequence[str], values: FloatArray) -> dict[str, float | None]:
    return {name: bounded(value) for name, value in zip(names, values, strict=True)}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cost(cells: Mapping[str, Sequence[Cell]], reference: Reference) -> CostScore | None:
    spent = {
        name: [cell.cost for cell in runs if cell.cost] for name, runs in cells.items() if name in reference.configs
    }
    devices = frozenset(cell.device for runs in cells.values() for cell in runs if cell.cost)
    return cost_score(spent, devices, reference)
