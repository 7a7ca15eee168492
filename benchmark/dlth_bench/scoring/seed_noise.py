"""Seed noise of each config, steadied by that of the others.

Three seeds say next to nothing about one config's variance, and configs differ in it, so that neither their own
variances nor one for all will do. The moderated variance (Smyth 2004, Linear models and empirical Bayes methods,
Statistical Applications in Genetics and Molecular Biology 3(1), section 6.2 for the estimates) takes the true variances
for draws from a scaled inverse chi-square and gives each config its posterior one: near the common variance when they
look alike, near its own when they do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import polygamma, psi

from dlth_bench.scoring.correlation import FloatArray

_MOST_DOF = 1e4
"""Prior degrees of freedom from which on the configs' variances count as equal."""


@dataclass(frozen=True)
class SeedNoise:
    """Standard deviation of one run of a config over seeds.

    Attributes:
        std: in the unit of the accuracies.
        dof: degrees of freedom behind it, those lent by the other configs included.
    """

    std: float
    dof: float


def seed_noise(accuracies: Mapping[str, Sequence[float]], resolution: float = 0.0) -> dict[str, SeedNoise]:
    """The moderated seed noise of every config that has a run; empty when no config has two.

    Args:
        accuracies: one value a seed, by config.
        resolution: the step in which accuracies come (one over the validation samples): what rounding adds to the
            variance, resolution²/12, is its floor, since equal accuracies do not mean that there is no noise.
    """
    floor = max(resolution**2 / 12, 1e-12)
    own = {name: (_variance(values, floor), len(values) - 1.0) for name, values in accuracies.items() if values}
    known = [(variance, dof) for variance, dof in own.values() if dof > 0]
    if not known:
        return {}
    prior, prior_dof = _prior(np.array(known)[:, 0], np.array(known)[:, 1])
    total = sum(dof for _, dof in known)  # all that was measured; the prior cannot lend more
    return {
        name: SeedNoise(math.sqrt(prior + (variance - prior) * dof / (prior_dof + dof)), min(prior_dof + dof, total))
        for name, (variance, dof) in own.items()
    }


def _variance(values: Sequence[float], floor: float) -> float:
    return max(float(np.var(values, ddof=1)), floor) if len(values) > 1 else floor


def _prior(variances: FloatArray, dofs: FloatArray) -> tuple[float, float]:
    """Common variance and its degrees of freedom, inf where nothing but chance sets the configs apart."""
    logs = np.log(variances) - psi(dofs / 2) + np.log(dofs / 2)
    mean = float(logs.mean())
    spread = float(logs.var(ddof=1) - polygamma(1, dofs / 2).mean()) if len(logs) > 1 else 0.0
    if spread <= polygamma(1, _MOST_DOF / 2):
        return float((variances * dofs).sum() / dofs.sum()), math.inf
    prior_dof = 2 * brentq(lambda half: polygamma(1, half) - spread, 1e-3, _MOST_DOF)
    return math.exp(mean + float(psi(prior_dof / 2)) - math.log(prior_dof / 2)), float(prior_dof)
