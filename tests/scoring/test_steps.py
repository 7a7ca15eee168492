"""Steps of a recipe: sign and size on both sides, and nothing claimed within noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dlth_bench.scoring.decisions import Step, least_significant_gap, step_scores
from dlth_bench.scoring.sides import Published, Side, summarise

CONFIGS = ("short", "long", "longer")
STEPS = (Step("budget", "short", "long"), Step("budget", "long", "longer", ("train.lr",)))


def side(*means: float, noise: float = 0.01) -> Side:
    return summarise(np.array(means)[:, None] + noise * np.array([-1.0, 0.0, 1.0]), "side")


def test_gap_is_that_of_a_t_test() -> None:
    """The least significant gap is where a two-sample t-test with the pooled spread has p = .05."""
    found = least_significant_gap(side(0.1, 0.5, 0.6))
    spread = 0.01 * math.sqrt(2 / 3)
    assert found == pytest.approx(stats.t.ppf(0.975, 6) * spread)
    assert least_significant_gap(summarise(Published(np.arange(3.0), np.ones(3)), "x")) == pytest.approx(
        1.96 * math.sqrt(2), rel=1e-3
    )
    assert math.isnan(least_significant_gap(summarise(np.arange(3.0)[:, None], "x")))


def test_same_sign_other_sign_and_noise() -> None:
    """A step that helps on the full data and hurts on the subset is named; one within noise is not judged."""
    first, second = step_scores(STEPS, CONFIGS, side(0.6, 0.5, 0.505), side(0.3, 0.4, 0.5))
    assert first.full_gap == pytest.approx(0.1)
    assert first.subset_gap == pytest.approx(-0.1)
    assert first.same_sign is False
    assert second.same_sign is None
    assert second.also == ("train.lr",)
    assert step_scores(STEPS, CONFIGS, side(0.1, 0.3, 0.5), side(0.3, 0.4, 0.5))[0].same_sign is True


def test_unknown_noise_and_missing_configs() -> None:
    """Single runs give gaps without a verdict; a step whose config has no runs is left out."""
    single = summarise(np.array([[0.1], [0.9], [0.95]]), "subset")
    first, _ = step_scores(STEPS, CONFIGS, single, side(0.3, 0.4, 0.5))
    assert (first.subset_noise, first.same_sign) == (None, None)
    assert first.subset_gap == pytest.approx(0.8)
    found = step_scores(STEPS, ("other", "long", "longer"), single, side(0.3, 0.4, 0.5))
    assert [(score.before, score.after) for score in found] == [("long", "longer")]
