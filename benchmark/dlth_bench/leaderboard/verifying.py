"""Verifying a submission: which of its cells to train again, and what their accuracies say of the claimed ones."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import dlth_bench
from dlth_bench.leaderboard.submissions import StoredSubmission
from dlth_bench.scoring.seed_noise import SeedNoise, seed_noise
from dlth_bench.scoring.verification import Rule, caught
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.metric import ACCURACY, Metric
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.result import Result
from dlth_bench.spec.verification import Caught, Commitment, Verification, VerifiedCell, commitment_of, draw, overall


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
    rule = Rule(cells=len(drawn.claims))
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
    stored: StoredSubmission, noise: Mapping[str, SeedNoise], rule: Rule, points: Sequence[float]
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


def _cell(claim: Result, result: Result, noise: SeedNoise | None, rule: Rule, metric: Metric) -> VerifiedCell:
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
