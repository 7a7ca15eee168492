"""Is a grid worth freezing? Its gates, judged from a pilot: the full data and two random subsets of each size.

A board can only answer if configs differ by more than seed noise on every side, none is at the ceiling of its task or
underfits, and random subsets of the sizes that are asked about follow the full data. Main effects that change their
sign between a subset and the full data are listed: they are findings about the grid, not faults of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from dlth_bench.protocols.measurements import ACCURACY
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.scoring.ceiling import noise_ceiling
from dlth_bench.scoring.comparison import correlation_draws
from dlth_bench.scoring.correlation import FloatArray, spearman
from dlth_bench.scoring.decisions import least_significant_gap, regret
from dlth_bench.scoring.sides import Side, stack, summarise
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen

LEAST_CEILING = 0.97
LEAST_SPREAD = 3.0
MOST_ACCURACY = 0.95


class Effect(Frozen):
    """What a factor's later level does, against its first: the difference of the mean metric."""

    factor: str
    level: str
    value: float = Field(description="In the metric's unit.")
    same_sign: bool | None = Field(
        None, description="As on the full data; None: there, or here, it is within seed noise."
    )


class PilotSide(Frozen):
    """The grid on one subset, or on the full data."""

    name: str
    members: int = Field(description="Classes.")
    spread: float | None = Field(
        description="Std of the configs' means, over the standard error of one; None: no noise."
    )
    least: float = Field(description="Lowest mean of a config.")
    most: float = Field(description="Highest mean of a config.")
    saturated: tuple[str, ...] = ()
    underfit: tuple[str, ...] = ()
    spearman: float | None = Field(None, description="With the full data; None: of these themselves, or not defined.")
    regret: float | None = None
    effects: tuple[Effect, ...] = ()


class Gate(Frozen):
    """One thing that a grid must show."""

    name: str
    passed: bool
    found: str
    wanted: str


class Pilot(Frozen):
    """What a pilot found."""

    protocol: str
    ceiling: float | None = Field(description="Noise ceiling of ρs; None: it is not defined.")
    sides: tuple[PilotSide, ...]
    resolved: float | None = Field(description="Least difference of ρs of two such subsets that is beyond seed noise.")
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)


class PilotRuns(Frozen):
    """The outcomes of a grid on one subset: (configs, seeds) values of the metric, and training accuracies."""

    name: str
    members: int
    values: tuple[tuple[float, ...], ...]
    train_accuracies: tuple[tuple[float, ...], ...]


def check_pilot(protocol: Protocol, sizes: Sequence[int], least_spearman: Mapping[int, float]) -> None:
    """Raise InputError where a pilot could not be judged, before anything is trained."""
    if len(protocol.seeds) < 2:
        raise InputError(f"{protocol.key} has one seed: without two nothing is known of noise")
    for size, wanted in least_spearman.items():
        if size not in sizes:
            raise InputError(
                f"--least {size}={wanted:g}: no subset of that size is drawn; there are {', '.join(map(str, sizes))}"
            )
        if not -1 <= wanted <= 1:
            raise InputError(f"--least {size}={wanted:g}: {wanted:g} is no correlation, which lies between -1 and 1")


def judge_pilot(
    protocol: Protocol, full: PilotRuns, subsets: Sequence[PilotRuns], least_spearman: Mapping[int, float]
) -> Pilot:
    """Judge a pilot.

    Args:
        full: on the full data.
        subsets: on random subsets.
        least_spearman: the mean ρs that is wanted of the subsets of a size.

    Raises:
        ValueError: fewer than three configs, or a config without a run.
    """
    reference = summarise(np.array(full.values), "full data")
    sides = [_side(protocol, full, None), *(_side(protocol, runs, full) for runs in subsets)]
    ceiling = _defined(noise_ceiling(np.array(full.values), "spearman"))
    gates = [
        Gate(
            name="noise ceiling of ρs",
            passed=ceiling is not None and ceiling >= LEAST_CEILING,
            found="not defined" if ceiling is None else f"{ceiling:.3f}",
            wanted=f">= {LEAST_CEILING}",
        ),
        _spread_gate(sides),
        _gate_of_names("configs above 95 %", {side.name: side.saturated for side in sides}),
        _gate_of_names("configs that underfit", {side.name: side.underfit for side in sides}),
    ]
    for members, wanted in sorted(least_spearman.items()):
        found = [side.spearman for side in sides[1:] if side.members == members and side.spearman is not None]
        mean = float(np.mean(found)) if found else math.nan
        gates.append(
            Gate(
                name=f"ρs at {members}",
                passed=mean >= wanted,
                found=f"{mean:.3f} (mean of {len(found)})",
                wanted=f">= {wanted}",
            )
        )
    return Pilot(
        protocol=protocol.key,
        ceiling=ceiling,
        sides=tuple(sides),
        resolved=_resolved(reference, subsets),
        gates=tuple(gates),
    )


def _side(protocol: Protocol, runs: PilotRuns, full: PilotRuns | None) -> PilotSide:
    side = summarise(np.array(runs.values), runs.name)
    names = [config.name for config in protocol.configs]
    train = np.array(runs.train_accuracies)
    floor = 0.0 if protocol.underfit is None else protocol.underfit.min_train_accuracy
    metric = protocol.metric
    top = MOST_ACCURACY if metric == ACCURACY else math.inf
    whole = None if full is None else summarise(np.array(full.values), full.name)
    return PilotSide(
        name=runs.name,
        members=runs.members,
        spread=float(side.means.std(ddof=1)) / side.standard_error if side.standard_error else None,
        least=float(side.means.min()),
        most=float(side.means.max()),
        saturated=tuple(name for name, mean in zip(names, side.means, strict=True) if mean > top),
        underfit=tuple(name for name, row in zip(names, train, strict=True) if row.min() < floor),
        spearman=None if whole is None else _defined(float(spearman(side.means, whole.means))),
        regret=None if whole is None else regret(side.oriented(metric).means, whole.oriented(metric).means),
        effects=main_effects(protocol.configs, side, whole),
    )


def main_effects(configs: Sequence[Config], side: Side, full: Side | None = None) -> tuple[Effect, ...]:
    """The effect of each level of each factor of a sweep on the mean over the other factors.

    Args:
        configs: in the order of the sides' means.
        full: the full data, whose signs are compared.
    """
    factors = configs[0].factors
    if any(config.factors.keys() != factors.keys() for config in configs):
        return ()
    found = []
    for factor in factors:
        levels = np.array([config.factors[factor] for config in configs])
        first, *others = dict.fromkeys(levels.tolist())
        for level in others:
            one, other = levels == level, levels == first
            value = _difference(side, one, other)
            same = None
            if full is not None:
                whole = _difference(full, one, other)
                clear = abs(value) > _noise(side, one, other) and abs(whole) > _noise(full, one, other)
                same = bool((value > 0) == (whole > 0)) if clear else None
            found.append(Effect(factor=factor, level=level, value=value, same_sign=same))
    return tuple(found)


def _difference(side: Side, one: FloatArray, other: FloatArray) -> float:
    return float(side.means[one].mean() - side.means[other].mean())


def _noise(side: Side, one: FloatArray, other: FloatArray) -> float:
    """What seed noise makes of a difference of two means of configs one time in 20; nan: unknown."""
    return least_significant_gap(side) * math.sqrt((1 / one.sum() + 1 / other.sum()) / 2)


def _resolved(reference: Side, subsets: Sequence[PilotRuns]) -> float | None:
    """Twice the standard deviation, over seeds, of the difference of two subsets' ρs: the mean over all pairs."""
    if len(subsets) < 2:
        return None
    sides = stack([summarise(np.array(runs.values), runs.name) for runs in subsets])
    draws = correlation_draws(sides, reference, "spearman")
    one, other = np.triu_indices(len(subsets), 1)
    spread = float((draws[one] - draws[other]).std(axis=1).mean())
    return None if math.isnan(spread) else 2 * spread


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _spread_gate(sides: Sequence[PilotSide]) -> Gate:
    spreads = [(side.spread, side.name) for side in sides if side.spread is not None]
    worst, name = min(spreads, default=(math.inf, "no noise"))
    return Gate(
        name="spread over standard error",
        passed=worst >= LEAST_SPREAD,
        found=f"{worst:.1f} ({name})",
        wanted=f">= {LEAST_SPREAD:g} on every side",
    )


def _gate_of_names(name: str, found: Mapping[str, Sequence[str]]) -> Gate:
    some = {side: names for side, names in found.items() if names}
    told = "; ".join(f"{side}: {', '.join(names)}" for side, names in some.items())
    return Gate(name=name, passed=not some, found=told or "none", wanted="none")
