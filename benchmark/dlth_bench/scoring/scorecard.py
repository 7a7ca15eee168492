"""A scorecard from the outcomes of a subset's runs and the protocol's reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import dlth_bench
from dlth_bench.scoring.ceiling import reliability_of
from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, FloatArray
from dlth_bench.scoring.cost import cost_score
from dlth_bench.scoring.decisions import decision_score
from dlth_bench.scoring.families import structure_scores
from dlth_bench.scoring.influence import leave_one_out
from dlth_bench.scoring.notes import scorecard_notes
from dlth_bench.scoring.reference_side import reference_side
from dlth_bench.scoring.sides import padded, summarise
from dlth_bench.scoring.steps import step_scores
from dlth_bench.scoring.trend import bounded, trend_scores
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.metric import Metric
from dlth_bench.spec.protocol import Config, Protocol
from dlth_bench.spec.reference import Cost, Reference
from dlth_bench.spec.scorecard import ConfigScore, CostScore, Scorecard
from dlth_bench.spec.steps import family_of, steps_of


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
