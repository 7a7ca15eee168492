"""Is a claimed accuracy what retraining gives, and how surely would a false one have been caught?

Training the same run on another machine gives, at worst, another draw of its seed noise, so an honest difference of the
two accuracies has √2 times the standard deviation of one run. Two tests look at it in that unit: a test of difference
disputes the claim, a test of equivalence (two one-sided tests, Schuirmann 1987) verifies it; neither may hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtr, stdtrit  # of Student's distribution: F(dof, t) and its inverse

from dlth_bench.scoring.seed_noise import SeedNoise


@dataclass(frozen=True)
class Rule:
    """When a cell is disputed and when it is verified.

    Attributes:
        cells: that are retrained together.
        error_rate: probability that any of them is disputed although all claims are honest.
        confidence: of the test of equivalence of each cell.
        margin: largest true difference that counts as none, in standard deviations of an honest difference.
    """

    cells: int
    error_rate: float = 0.01
    confidence: float = 0.95
    margin: float = 4.0

    def dispute_beyond(self, dof: float) -> float:
        """The difference, in its estimated standard deviations, beyond which a cell is disputed (Šidák)."""
        each = 1 - (1 - self.error_rate) ** (1 / self.cells)
        return float(-stdtrit(dof, each / 2))

    def verdict(self, difference: float, noise: SeedNoise) -> Literal["verified", "disputed", "inconclusive"]:
        """What retraining one cell says.

        Args:
            difference: retrained less claimed accuracy.
            noise: of the cell's config, in the same unit.
        """
        size = abs(difference) / (math.sqrt(2) * noise.std)
        if size > self.dispute_beyond(noise.dof):
            return "disputed"
        return "verified" if size + stdtrit(noise.dof, self.confidence) <= self.margin else "inconclusive"

    def passes(self, fraud: float, noise: SeedNoise) -> float:
        """The probability that a cell is not disputed whose claim is wrong by ``fraud``, given its estimated noise.

        Given the estimate, difference / (√2 std) has Student's distribution around the fraud in that unit: the
        predictive distribution of the model behind the moderated variance.
        """
        shift, beyond = fraud / (math.sqrt(2) * noise.std), self.dispute_beyond(noise.dof)
        return float(stdtr(noise.dof, beyond - shift) - stdtr(noise.dof, -beyond - shift))


def caught(fraud: Sequence[float], noise: Sequence[SeedNoise], rule: Rule) -> float:
    """The probability that a fraud is disputed, over all equally likely draws of ``rule.cells`` of the cells.

    One draw passes with the product of its cells' probabilities, so all draws pass with the mean of such products: an
    elementary symmetric polynomial of the probabilities over the number of draws.

    Args:
        fraud: by how much each of the submission's cells is wrong; 0 where it is honest.
        noise: of each cell's config, in the same unit.
    """
    # means[k]: mean over all draws of k of the cells so far; stays within [0, 1], whereas sums of products overflow.
    means = [1.0] + [0.0] * rule.cells
    for count, (size, own) in enumerate(zip(fraud, noise, strict=True), start=1):
        passes = rule.passes(size, own)
        for k in range(min(rule.cells, count), 0, -1):
            means[k] = (count - k) / count * means[k] + k / count * passes * means[k - 1]
    return 1.0 - means[min(rule.cells, len(fraud))]
