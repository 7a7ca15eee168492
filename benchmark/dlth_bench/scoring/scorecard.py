"""A scorecard from the outcomes of a subset's runs and the protocol's reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

import dlth_bench
from dlth_bench.scoring.ceiling import disattenuated, noise_ceiling, reliability
from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, Statistic, correlate
from dlth_bench.scoring.cost import savings
from dlth_bench.scoring.decisions import pairwise_agreement, regret
from dlth_bench.scoring.influence import leave_one_out
from dlth_bench.scoring.permutation import permutation_test
from dlth_bench.scoring.sides import Published, summarise
from dlth_bench.scoring.uncertainty import seed_interval
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Config, Cost, Protocol, Reference
from dlth_bench.spec.scorecard import ConfigScore, CorrelationScore, CostScore, DecisionScore, Scorecard

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """The outcome of one run of a config; ``problem`` says what is wrong with it, if anything."""

    seed: int
    accuracy: float | None
    problem: str = ""
    cost: Cost | None = None
    device: str = ""


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
    reference = protocol.reference
    if reference is None:
        raise NotScorable(f"{protocol.key} has no full-data reference yet; measure it with: dlth-bench reference")
    wanted = protocol.seeds if seeds is None else seeds
    scores = tuple(_config_score(config, cells.get(config.name, ()), wanted, reference) for config in protocol.configs)
    scored = [score for score in scores if score.accuracies]
    if len(scored) < MINIMUM_CONFIGS:
        raise NotScorable(
            f"{len(scored)} of {len(scores)} configs have an accuracy; a correlation needs {MINIMUM_CONFIGS} or more"
        )
    subset, full = _subset_side(scored), _reference_side(scored, reference)
    problems = any(score.problems for score in scores)
    return Scorecard(
        package=dlth_bench.__version__,
        protocol=protocol.key,
        protocol_digest=protocol.digest,
        manifest_digest=protocol.data.manifest_digest,
        subset_digest=subset_digest,
        classes=classes,
        samples=samples,
        configs=scores,
        pearson=_correlation(subset, full, "pearson"),
        spearman=_correlation(subset, full, "spearman"),
        kendall=_correlation(subset, full, "kendall"),
        leave_one_out=_influence(scored),
        decision=_decision(scored, full),
        cost=_cost(protocol, cells, reference),
        complete=not problems,
        notes=_notes(scored, len(scores)),
    )


def _config_score(config: Config, cells: Sequence[Cell], seeds: Sequence[int], reference: Reference) -> ConfigScore:
    accuracies = tuple(cell.accuracy for cell in cells if cell.accuracy is not None)
    present = {cell.seed for cell in cells}
    missing = tuple(f"seed {seed} is missing" for seed in seeds if seed not in present)
    mean, std = reference.configs[config.name].statistics
    return ConfigScore(
        config=config.name,
        title=config.title,
        accuracies=accuracies,
        mean=fmean(accuracies) if accuracies else None,
        std=stdev(accuracies) if len(accuracies) > 1 else None,
        reference_mean=mean,
        reference_std=std,
        problems=missing + tuple(cell.problem for cell in cells if cell.problem),
    )


def _subset_side(scored: Sequence[ConfigScore]) -> Array:
    """Accuracies (configs, seeds), nan where a run is missing."""
    return _padded([score.accuracies for score in scored])


def _reference_side(scored: Sequence[ConfigScore], reference: Reference) -> Array | Published:
    """The reference as accuracies (configs, seeds), or as published means with what spread is known of them."""
    entries = [reference.configs[score.config] for score in scored]
    if all(entry.accuracies for entry in entries):
        return _padded([entry.accuracies for entry in entries])
    means, stds = zip(*(entry.statistics for entry in entries), strict=True)
    known = [std for std in stds if std is not None]
    # A published number without a spread is given the mean of those that have one; 0 when none has.
    spread = fmean(known) if known else 0.0
    return Published(np.array(means), np.array([spread if std is None else std for std in stds]))


def _padded(rows: Sequence[Sequence[float]]) -> Array:
    width = max(len(row) for row in rows)
    return np.array([list(row) + [math.nan] * (width - len(row)) for row in rows])


def _correlation(subset: Array, full: Array | Published, statistic: Statistic) -> CorrelationScore:
    a, b = summarise(subset, "subset"), summarise(full, "reference")
    value = float(correlate(a.means, b.means, statistic))
    if math.isnan(value):
        return CorrelationScore(value=None)
    interval = seed_interval(subset, full, statistic)
    known = not (isinstance(full, Published) and b.run_variance == 0)  # 0 stands for a spread that nobody published
    correctable = known and statistic == "pearson"
    corrected = disattenuated(value, reliability(subset), reliability(full)) if correctable else math.nan
    return CorrelationScore(
        value=_bounded(value),
        low=_bounded(interval.low),
        high=_bounded(interval.high),
        p_value=permutation_test(a.means, b.means, statistic).p_value,
        ceiling=_bounded(noise_ceiling(full, statistic, other_seeds=a.seeds)) if known else None,
        disattenuated=_bounded(corrected),
    )


def _bounded(value: float) -> float | None:
    """None for nan; rounding past ±1 cut off."""
    return None if math.isnan(value) else max(-1.0, min(1.0, value))


def _influence(scored: Sequence[ConfigScore]) -> dict[str, float | None]:
    if len(scored) <= MINIMUM_CONFIGS:
        return {}
    values = leave_one_out(_means(scored), _full_means(scored), "spearman")
    return {score.config: _bounded(float(value)) for score, value in zip(scored, values, strict=True)}


def _decision(scored: Sequence[ConfigScore], full: Array | Published) -> DecisionScore:
    subset, reference = _means(scored), _full_means(scored)
    errors = np.full(len(scored), _or_zero(summarise(full, "reference").standard_error))
    pairs = pairwise_agreement(subset, reference, errors)
    return DecisionScore(
        picked=scored[int(subset.argmax())].config,
        best=scored[int(reference.argmax())].config,
        regret=max(0.0, regret(subset, reference)),
        pairs_agreed=pairs.agreed,
        pairs_resolved=pairs.counted,
    )


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _means(scored: Sequence[ConfigScore]) -> Array:
    return np.array([score.mean for score in scored], dtype=np.float64)


def _full_means(scored: Sequence[ConfigScore]) -> Array:
    return np.array([score.reference_mean for score in scored], dtype=np.float64)


def _cost(protocol: Protocol, cells: Mapping[str, Sequence[Cell]], reference: Reference) -> CostScore | None:
    """Costs of the runs that are there, next to the reference's for as many runs of the same configs."""
    spent = {
        config.name: [cell.cost for cell in cells.get(config.name, ()) if cell.cost] for config in protocol.configs
    }
    if not any(spent.values()):
        return None
    subset = _total([(cost, 1.0) for costs in spent.values() for cost in costs])
    parts = [(reference.configs[name], len(costs)) for name, costs in spent.items() if costs]
    if any(entry.cost is None for entry, _ in parts):
        return CostScore(subset=subset, full=None)
    devices = {cell.device for runs in cells.values() for cell in runs if cell.cost}
    same_device = all(device and device in reference.hardware for device in devices)
    full = _total([(entry.cost, runs / max(1, len(entry.accuracies))) for entry, runs in parts if entry.cost])
    saved = savings(subset, full)
    return CostScore(
        subset=subset,
        full=full,
        images_saved=saved.images.fraction if saved.images else None,
        flops_saved=saved.flops.fraction if saved.flops else None,
        device_seconds_saved=saved.device_seconds.fraction if saved.device_seconds and same_device else None,
    )


def _total(parts: Sequence[tuple[Cost, float]]) -> Cost:
    return Cost(
        images=round(sum(cost.images * weight for cost, weight in parts)),
        flops=sum(cost.flops * weight for cost, weight in parts),
        device_seconds=sum(cost.device_seconds * weight for cost, weight in parts),
    )


def _notes(scored: Sequence[ConfigScore], configs: int) -> tuple[str, ...]:
    notes = []
    if len(scored) < configs:
        notes.append(f"{configs - len(scored)} of {configs} configs have no accuracy and are left out of all figures")
    if max(len(score.accuracies) for score in scored) < 2:
        notes.append("one seed a config: the subset's seed noise is unknown")
    if all(score.reference_std is None for score in scored):
        notes.append("the reference has no spread over seeds: its noise is taken as zero, no ceiling is known")
    return tuple(notes)
