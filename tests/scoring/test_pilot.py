"""A pilot of a grid: its gates open and close on grids whose properties are known."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.scoring.correlation import FloatArray
from dlth_bench.scoring.pilot import Pilot, PilotRuns, check_pilot, judge_pilot
from dlth_bench.util.errors import InputError

RATE, WIDTH = 0.06, 0.03


@pytest.fixture(scope="module")
def grid() -> Protocol:
    return find_protocol("glyphs-tuning@1")


def means(grid: Protocol, rate: float = RATE, base: float = 0.5) -> FloatArray:
    """True accuracies that two factors decide, and a little of a third."""
    levels = [config.factors for config in grid.configs]
    parts = [
        rate * (one["rate"] == "fast") + WIDTH * (one["width"] == "wide") + 0.01 * (one["labels"] == "smooth")
        for one in levels
    ]
    return np.array(parts) + np.linspace(0, 0.004, len(parts)) + base


def runs(name: str, members: int, true: FloatArray, noise: float = 0.002, seed: int = 0) -> PilotRuns:
    values = true[:, None] + noise * np.random.default_rng(seed).standard_normal((len(true), 3))
    return PilotRuns(name=name, members=members, values=values.tolist(), train_accuracies=np.clip(values + 0.1, 0, 1))


def judged(grid: Protocol, *subsets: PilotRuns, full: PilotRuns | None = None) -> Pilot:
    return judge_pilot(grid, full or runs("full data", 246, means(grid)), subsets, {24: 0.8})


def closed(found: Pilot) -> list[str]:
    return [gate.name for gate in found.gates if not gate.passed]


def test_a_grid_that_answers_passes(grid: Protocol) -> None:
    """And its main effects are those that it was made of."""
    found = judged(grid, runs("a", 24, means(grid), seed=1), runs("b", 24, means(grid), seed=2))
    assert found.passed, closed(found)
    assert found.ceiling > 0.97
    effects = {effect.factor: effect.value for effect in found.sides[1].effects}
    assert effects["rate"] == pytest.approx(RATE, abs=0.005)
    assert effects["width"] == pytest.approx(WIDTH, abs=0.005)


def test_noise_closes_ceiling_and_spread(grid: Protocol) -> None:
    loud = runs("full data", 246, means(grid), noise=0.2)
    assert {"noise ceiling of ρs", "spread over standard error"} <= {*closed(judged(grid, full=loud))}


def test_a_grid_without_noise_or_without_spread_is_judged(grid: Protocol) -> None:
    """Three equal seeds leave no noise to compare with; configs that are all alike have no ceiling."""
    exact = judged(grid, runs("a", 24, means(grid), noise=0.0), full=runs("full data", 246, means(grid), noise=0.0))
    assert exact.passed, closed(exact)
    assert exact.sides[0].spread is None
    flat = runs("full data", 246, np.full(16, 0.5), noise=0.0)
    assert "noise ceiling of ρs" in closed(judged(grid, runs("a", 24, means(grid)), full=flat))


def test_what_cannot_be_judged_is_refused_before_training(grid: Protocol) -> None:
    with pytest.raises(InputError, match="has one seed"):
        check_pilot(grid.model_copy(update={"seeds": (0,)}), (24,), {})
    with pytest.raises(InputError, match="no subset of that size is drawn; there are 24"):
        check_pilot(grid, (24,), {60: 0.9})
    with pytest.raises(InputError, match="7 is no correlation"):
        check_pilot(grid, (24,), {24: 7.0})


def test_a_saturated_side_is_named(grid: Protocol) -> None:
    found = judged(grid, runs("easy", 24, means(grid, base=0.9), seed=1))
    assert "configs above 95 %" in closed(found)
    assert found.sides[1].saturated
    assert not found.sides[0].saturated


def test_an_effect_of_another_sign_is_listed_and_closes_nothing_by_itself(grid: Protocol) -> None:
    found = judged(grid, runs("a", 60, means(grid, rate=-RATE), seed=1))
    flipped = {effect.factor: effect.same_sign for effect in found.sides[1].effects}
    assert flipped["rate"] is False
    assert flipped["width"] is True
    assert closed(found) == ["ρs at 24"]  # there is none of that size


def test_subsets_that_do_not_follow_are_seen(grid: Protocol) -> None:
    assert closed(judged(grid, runs("a", 24, means(grid, rate=-RATE), seed=1))) == ["ρs at 24"]
