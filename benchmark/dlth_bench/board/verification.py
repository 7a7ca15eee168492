"""The record of a verification: which cells were drawn, how, what retraining them gave, and what follows."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.board.submission import Digest, Line
from dlth_bench.datasets.dataset import Slug
from dlth_bench.runs.run import Result
from dlth_bench.util.model import Frozen, digest_of

Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="32 random bytes in hex, secret until revealed.")]
Verdict = Literal["verified", "disputed", "inconclusive"]
Value = Annotated[float, Field(ge=-1e12, le=1e12)]


def claim_digest(protocol_digest: str, subset_digest: str, results: Iterable[Result]) -> str:
    """SHA-256 (hex) of what a submission claims: protocol, subset and results, whatever their order.

    Name, texts and scorecard are left out, so that mending a typo or scoring anew does not void a verification.
    """
    ordered = sorted(results, key=lambda result: (result.config, result.seed))
    return digest_of(
        {
            "protocol": protocol_digest,
            "subset": subset_digest,
            "results": [result.model_dump(mode="json", exclude_defaults=True) for result in ordered],
        }
    )


def commitment_of(nonce: str, claim: str) -> str:
    """What is published before the draw: binding, since another nonce gives another digest, and telling nothing."""
    return _sha256("dlth-bench commitment 1", nonce, claim)


def draw(runs: Sequence[str], nonce: str, claim: str, cells: int) -> tuple[str, ...]:
    """The runs to retrain: without replacement, each set of them as likely as any other.

    Every run gets the ticket SHA-256(seed, run), where the seed is SHA-256(nonce, claim); the lowest tickets win.

    Args:
        runs: digests of the runs that may be drawn.
        cells: how many to draw; all when there are fewer.
    """
    seed = _sha256("dlth-bench draw 1", nonce, claim)
    return tuple(sorted(runs, key=lambda run: _sha256(seed, run))[:cells])


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("ascii")).hexdigest()


class Commitment(Frozen):
    """What a maintainer publishes before verifying: it fixes the draw without giving it away."""

    schema_version: Literal[1] = 1
    protocol: Annotated[str, Field(max_length=80, description="name@version of the protocol.")]
    name: Annotated[Slug, Field(description="Name of the submission.")]
    claim_digest: Annotated[Digest, Field(description="Of the submission's protocol, subset and results.")]
    commitment: Annotated[Digest, Field(description="SHA-256 of 'dlth-bench commitment 1', nonce and claim_digest.")]
    date: Annotated[datetime.date, Field(description="Day of the commitment (UTC).")]


class VerifiedCell(Frozen):
    """A run that was trained again and what was claimed of it, in values of the protocol's metric."""

    config: Slug
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    run: Annotated[Digest, Field(description="Digest of the run.")]
    claimed: Annotated[Value, Field(description="As in the submission.")]
    retrained: Annotated[Value | None, Field(description="None: training diverged.")]
    noise: Annotated[
        float | None, Field(ge=0, description="Std of one run over seeds, in the metric's unit; None: unknown.")
    ] = None
    identical: Annotated[bool, Field(description="Every class has the same accuracy to the last digit.")] = False
    verdict: Verdict

    @property
    def difference(self) -> float | None:
        """Retrained less claimed value, in the metric's unit."""
        return None if self.retrained is None else self.retrained - self.claimed


class Caught(Frozen):
    """The probability that a fraud of one size would have been disputed, over all draws of as many cells."""

    points: Annotated[float, Field(gt=0, le=100, description="By how much accuracies are wrong, in points.")]
    everywhere: Annotated[float, Field(ge=0, le=1, description="If every claimed accuracy is wrong by that much.")]
    one_config: Annotated[float, Field(ge=0, le=1, description="If those of one config are; mean over configs.")]


class Verification(Frozen):
    """The file ``verification.json`` beside a submission."""

    schema_version: Literal[1] = 1
    claim_digest: Annotated[Digest, Field(description="Of the protocol, subset and results that were verified.")]
    by: Annotated[Line, Field(min_length=1, max_length=80, description="Who trained the cells again.")]
    date: Annotated[datetime.date, Field(description="Day of the verification (UTC).")]
    package: Annotated[Line, Field(min_length=1, max_length=40, description="Version of dlth-bench that verified.")]
    device: Annotated[str, Field(max_length=200, description="What the cells were trained on.")] = ""
    nonce: Annotated[Nonce, Field(description="The revealed nonce.")]
    commitment: Annotated[
        Digest | None, Field(description="As published before the draw; None: the nonce was not committed to.")
    ] = None
    error_rate: Annotated[
        float, Field(gt=0, lt=1, description="Probability that an honest submission is disputed, over all cells.")
    ]
    confidence: Annotated[float, Field(gt=0, lt=1, description="Of each cell's test of equivalence.")]
    margin: Annotated[
        float,
        Field(gt=0, description="Largest difference that counts as none, in stds of a difference."),
    ]
    cells: Annotated[tuple[VerifiedCell, ...], Field(min_length=1, max_length=10_000)]
    caught: Annotated[tuple[Caught, ...], Field(max_length=100)] = ()
    verdict: Verdict

    @model_validator(mode="after")
    def _follows(self) -> Self:
        if self.verdict != overall([cell.verdict for cell in self.cells]):
            raise ValueError("the verdict is not the one that follows from the cells")
        if self.commitment is not None and self.commitment != commitment_of(self.nonce, self.claim_digest):
            raise ValueError("the nonce does not open the commitment")
        return self


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Disputed when one cell is, verified when all are."""
    found = set(verdicts)
    if "disputed" in found:
        return "disputed"
    return "verified" if found == {"verified"} else "inconclusive"
