"""Verifying a submission: which of its cells to train again, and what their accuracies say of the claimed ones."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtr, stdtrit  # of Student's distribution: F(dof, t) and its inverse

import dlth_bench
from dlth_bench.board.submission_folder import StoredSubmission
from dlth_bench.board.verification import Caught, Commitment, Verification, VerifiedCell, commitment_of, draw, overall
from dlth_bench.protocols.measurements import ACCURACY, Metric
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Result
from dlth_bench.scoring.sides import SeedNoise, seed_noise
from dlth_bench.util.errors import InputError


@dataclass(frozen=True)
class VerdictRule:
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


def caught(fraud: Sequence[float], noise: Sequence[SeedNoise], rule: VerdictRule) -> float:
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


@dataclass(frozen=True)
class Drawn:
    """The cells of one verification, and what drew them."""

    nonce: str
    commitment: str | None
    claims: tuple[Result, ...]


def draw_cells(stored: StoredSubmission, nonce: str, commitment: Commitment | None, cells: int) -> Drawn:
    """The claims to retrain, as the nonce draws them.

    Raises:
        InputError: the commitment is to another nonce or other results, or there is nothing to draw.
    """
    claim = stored.claim_digest
    if commitment is not None:
        if commitment.claim_digest != claim:
            raise InputError(f"the commitment is to other results than those of {stored.metadata.name} as they are now")
        if commitment.commitment != commitment_of(nonce, claim):
            raise InputError("the nonce does not open the commitment; take the one that was made with it")
    claims = {result.run: result for result in stored.results if result.status == "finished"}
    if not claims:
        raise InputError(f"{stored.metadata.name} has no finished run to train again")
    drawn = tuple(claims[run] for run in draw(list(claims), nonce, claim, cells))
    return Drawn(nonce, None if commitment is None else commitment.commitment, drawn)


def noise_of(stored: StoredSubmission, protocol: Protocol) -> dict[str, SeedNoise]:
    """Seed noise by config: from the submission's own seeds; from the reference's where no config has two.

    Own seeds first: noise depends on the classes and their validation samples, which the full data do not share. Who
    spreads claimed seeds to hide behind noise is seen to: the stated probability of being caught falls.
    """
    own: dict[str, list[float]] = {config.name: [] for config in protocol.configs}
    for result in stored.results:
        value = result.value(protocol.metric)
        if value is not None and result.status == "finished":
            own[result.config].append(value)
    samples = max((sum(result.class_counts) for result in stored.results), default=0)
    found = seed_noise(own, 1 / samples if samples and protocol.metric == ACCURACY else 0.0)
    if found or protocol.reference is None:
        return found
    return seed_noise({name: one.accuracies for name, one in protocol.reference.configs.items()})


def verification_of(
    stored: StoredSubmission,
    drawn: Drawn,
    retrained: Mapping[str, Result],
    noise: Mapping[str, SeedNoise],
    *,
    by: str,
    points: Sequence[float],
) -> Verification:
    """What retraining says of a submission.

    Args:
        retrained: by digest of the run; each finished or diverged.
        noise: by config; empty when it is unknown, and then only equality to the last digit verifies a cell.
        by: who trained them.
        points: sizes of frauds for which to state the probability of being caught, in points or the metric's unit.
    """
    rule = VerdictRule(cells=len(drawn.claims))
    metric = stored.scorecard.metric
    cells = tuple(_cell(claim, retrained[claim.run], noise.get(claim.config), rule, metric) for claim in drawn.claims)
    devices = (result.environment.device for result in retrained.values() if result.environment is not None)
    return Verification(
        claim_digest=stored.claim_digest,
        by=by,
        date=datetime.datetime.now(datetime.UTC).date(),
        package=dlth_bench.__version__,
        device="; ".join(dict.fromkeys(devices))[:200],
        nonce=drawn.nonce,
        commitment=drawn.commitment,
        error_rate=rule.error_rate,
        confidence=rule.confidence,
        margin=rule.margin,
        cells=cells,
        caught=caught_of(stored, noise, rule, points),
        verdict=overall(cell.verdict for cell in cells),
    )


def caught_of(
    stored: StoredSubmission, noise: Mapping[str, SeedNoise], rule: VerdictRule, points: Sequence[float]
) -> tuple[Caught, ...]:
    """The probabilities with which frauds of these sizes would be disputed; none where the noise is unknown."""
    configs = [result.config for result in stored.results if result.status == "finished"]
    if not noise:
        return ()
    by_cell, scale = [noise[config] for config in configs], stored.scorecard.metric.shown(1.0)

    def of(size: float, forged: set[str]) -> float:
        found = caught([size / scale if config in forged else 0.0 for config in configs], by_cell, rule)
        return min(1.0, max(0.0, found))

    every = dict.fromkeys(configs)
    return tuple(
        Caught(
            points=size,
            everywhere=of(size, set(every)),
            one_config=sum(of(size, {config}) for config in every) / len(every),
        )
        for size in points
    )


def _cell(claim: Result, result: Result, noise: SeedNoise | None, rule: VerdictRule, metric: Metric) -> VerifiedCell:
    claimed, value = claim.value(metric), result.value(metric)
    if claimed is None:
        raise ValueError(f"config {claim.config} seed {claim.seed} claims no {metric.name}")
    identical = result.class_accuracy == claim.class_accuracy and value == claimed
    verdict: Literal["verified", "disputed", "inconclusive"]
    if identical:  # of the same machine and software: no noise could make it so by chance
        verdict = "verified"
    elif value is None:
        verdict = "disputed"
    elif noise is None:
        verdict = "inconclusive"
    else:
        verdict = rule.verdict(value - claimed, noise)
    return VerifiedCell(
        config=claim.config,
        seed=claim.seed,
        run=claim.run,
        claimed=claimed,
        retrained=value,
        noise=None if noise is None else min(noise.std, 1.0) if metric == ACCURACY else noise.std,
        identical=identical,
        verdict=verdict,
    )
