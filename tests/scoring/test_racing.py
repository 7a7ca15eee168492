"""Racing: which runs it does without, and that what is scored from the rest stays honest."""

from __future__ import annotations

import numpy as np
import pytest

from dlth_bench.scoring.correlation import correlate
from dlth_bench.scoring.interval_over_seeds import seed_interval
from dlth_bench.scoring.power import left_out, racing_note, settled

NOISE = np.array([[-1.0, 1.0, 0.3], [1.0, -1.0, -0.2], [0.5, -0.5, 0.1], [-0.7, 0.7, 0.0]])
NAMES = ("far", "near", "nearer", "low")


def _grid(means: tuple[float, ...], noise: float = 0.01) -> np.ndarray:
    return np.array(means)[:, None] + noise * NOISE


def test_a_config_far_from_all_others_gets_no_third_seed() -> None:
    """Those that lie within each other's noise go on; the outcome of what is left out plays no part."""
    runs = _grid((0.9, 0.62, 0.6, 0.2))
    without = left_out(runs)
    assert without.tolist() == [[False, False, True], [False] * 3, [False] * 3, [False, False, True]]
    changed = runs.copy()
    changed[0, 2] = 0.1
    assert (left_out(changed) == without).all()


def test_no_verdict_without_two_runs_of_a_config() -> None:
    """Noise that nobody knows, a config without a run, or two configs settle nothing."""
    runs = _grid((0.9, 0.62, 0.6, 0.2))
    assert not settled(runs[:, :1], looks=1).any()
    assert not settled(np.where(np.arange(4)[:, None] == 1, np.nan, runs), looks=1).any()
    assert not settled(runs[:2], looks=1).any()


def test_the_note_names_what_was_left_out_and_only_that() -> None:
    """A missing run that the rule would have trained is no race, and neither is a whole grid."""
    runs = _grid((0.9, 0.62, 0.6, 0.2))
    raced = np.where(left_out(runs), np.nan, runs)
    note = racing_note(NAMES, raced)
    assert "2 of 12 runs" in note
    assert "far, low" in note
    dropped = raced.copy()
    dropped[1, 2] = np.nan
    assert racing_note(NAMES, dropped) == racing_note(NAMES, runs) == ""


def test_wrong_verdicts_are_rarer_than_the_level_says() -> None:
    """Of grids of seven configs with the same true mean at most 5 % have one that is called settled."""
    rng = np.random.default_rng(1)
    wrong = sum(settled(rng.standard_normal((7, 2)), looks=1).any() for _ in range(2000))
    assert wrong / 2000 <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.6, 0.95])
@pytest.mark.parametrize("noise", [0.03, 0.1, 0.3])
def test_coverage_of_the_interval_over_seeds_after_a_race(rho: float, noise: float) -> None:
    """It holds the correlation of the true means in 93 to 98 % of raced grids, as it does in whole ones."""
    rng = np.random.default_rng([int(100 * rho), int(100 * noise)])
    hits = spared = 0
    for grid in range(1000):
        subset = rng.standard_normal(7)
        reference = rho * subset + np.sqrt(1 - rho**2) * rng.standard_normal(7)
        runs, full = (side[:, None] + noise * rng.standard_normal((7, 3)) for side in (subset, reference))
        without = left_out(runs)
        spared += int(without.sum())
        found = seed_interval(np.where(without, np.nan, runs), full, draws=1000, seed=grid)
        hits += found.low - 1e-9 <= float(correlate(subset, reference)) <= found.high + 1e-9
    assert noise > 0.1 or spared > 0
    assert 0.93 <= hits / 1000 <= 0.98
