"""Verification's statistics: honest claims are seldom disputed, false ones as often as is said."""

from __future__ import annotations

import itertools
import math
from statistics import fmean

import numpy as np
import pytest

from dlth_bench.board.verify import VerdictRule, caught
from dlth_bench.scoring.sides import SeedNoise, seed_noise

CONFIGS, SEEDS = 7, 3


def rates(fraud: float, *, spread: float, trials: int, cells: int = 2, seed: int = 0) -> tuple[float, float, float]:
    """Measured and stated share of disputed submissions, and the share of verified ones.

    Args:
        fraud: added to every claim, in the unit of the typical noise.
        spread: standard deviation of the log of the configs' noise.
    """
    rng = np.random.default_rng(seed)
    rule, stated, verdicts = VerdictRule(cells), [], []
    for _ in range(trials):
        true_std = np.exp(spread * rng.standard_normal(CONFIGS))
        claimed = true_std[:, None] * rng.standard_normal((CONFIGS, SEEDS))
        noise = seed_noise({str(config): row.tolist() for config, row in enumerate(claimed)})
        by_cell = [noise[str(config)] for config in range(CONFIGS) for _ in range(SEEDS)]
        stated.append(caught([fraud] * len(by_cell), by_cell, rule))
        drawn = rng.choice(CONFIGS * SEEDS, cells, replace=False)
        retrained = true_std[drawn // SEEDS] * rng.standard_normal(cells)
        differences = retrained - claimed.ravel()[drawn] - fraud
        found = {rule.verdict(float(d), by_cell[cell]) for d, cell in zip(differences, drawn, strict=True)}
        verdicts.append("disputed" if "disputed" in found else "verified" if found == {"verified"} else "")
    return verdicts.count("disputed") / trials, fmean(stated), verdicts.count("verified") / trials


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_frauds_are_disputed_as_often_as_stated(spread: float) -> None:
    """The printed probability is the measured one, whether configs are equally noisy or not; honest ones are spared."""
    honest, _, verified = rates(0.0, spread=spread, trials=1500)
    assert honest < 0.03  # 1 % by design; the claimed run itself is one of the seeds behind the estimate
    assert verified > 0.75
    for fraud in (3.0, 6.0):
        measured, stated, _ = rates(fraud, spread=spread, trials=600)
        assert measured == pytest.approx(stated, abs=0.06)


def test_all_draws_are_weighed() -> None:
    """The probability is the mean over every possible draw."""
    rule = VerdictRule(cells=3)
    noise = [SeedNoise(1.0 + 0.1 * index, 5.0 + index) for index in range(7)]
    fraud = [0.0, 0.0, 6.0, 6.0, 0.0, 3.0, 9.0]
    passes = [rule.passes(size, own) for size, own in zip(fraud, noise, strict=True)]
    mean = fmean(math.prod(draw) for draw in itertools.combinations(passes, 3))
    assert caught(fraud, noise, rule) == pytest.approx(1 - mean)
    assert caught(fraud[:2], noise[:2], rule) == pytest.approx(1 - passes[0] * passes[1])


def test_noise_is_shared_where_configs_look_alike() -> None:
    """Configs with like spreads get one noise with the freedom of all; one that stands out keeps its own."""
    rng = np.random.default_rng(1)
    alike = {str(index): rng.normal(size=20).tolist() for index in range(6)}
    noise = seed_noise(alike)
    assert min(one.dof for one in noise.values()) > 30
    assert all(one.std == pytest.approx(1.0, abs=0.3) for one in noise.values())
    loud = seed_noise(alike | {"loud": (10 * rng.normal(size=20)).tolist()})
    assert loud["loud"].std > 6
    assert loud["0"].std < 1.5


def test_noise_that_nobody_knows() -> None:
    """One seed a config says nothing; equal accuracies say that noise is below their resolution, not that it is nil."""
    assert seed_noise({"a": [0.5], "b": [0.6], "c": []}) == {}
    noise = seed_noise({"a": [0.5, 0.5], "b": [0.25]}, resolution=0.01)
    assert {name: round(one.std, 5) for name, one in noise.items()} == {"a": 0.00289, "b": 0.00289}
