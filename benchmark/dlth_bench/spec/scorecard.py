"""A scorecard: all results of one subset under one protocol, scored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.protocol import Accuracy, Cost

Correlation = Annotated[float, Field(ge=-1, le=1)]


class ConfigScore(Frozen):
    """One config on the subset and on the full data."""

    config: str
    title: str
    accuracies: Annotated[tuple[Accuracy, ...], Field(description="Last-epoch top-1 on the subset, one a seed.")]
    mean: Accuracy | None
    std: Annotated[float | None, Field(ge=0, description="Over seeds, n - 1; None with fewer than two.")]
    reference_mean: Accuracy
    reference_std: Annotated[float | None, Field(ge=0)]
    problems: Annotated[tuple[str, ...], Field(description="Runs that are missing, broke down or underfit.")] = ()


class CorrelationScore(Frozen):
    """One correlation between the subset's and the full data's accuracies, over configs."""

    value: Correlation | None
    low: Annotated[Correlation | None, Field(description="Lower end of the 95 % interval over seeds.")] = None
    high: Annotated[Correlation | None, Field(description="Upper end of the 95 % interval over seeds.")] = None
    p_value: Annotated[float | None, Field(ge=0, le=1, description="Share of config orders that reach it.")] = None
    ceiling: Annotated[
        Correlation | None, Field(description="Noise ceiling: expected between two full-data replicates.")
    ] = None
    disattenuated: Annotated[Correlation | None, Field(description="Corrected for seed noise of both sides.")] = None


class DecisionScore(Frozen):
    """What picking a config by the subset leads to."""

    picked: Annotated[str, Field(description="The config with the best mean on the subset.")]
    best: Annotated[str, Field(description="The config with the best mean on the full data.")]
    regret: Annotated[float, Field(ge=0, description="Full-data accuracy lost by the pick, as a fraction.")]
    pairs_agreed: Annotated[int, Field(ge=0, description="Pairs of configs ordered as on the full data.")]
    pairs_resolved: Annotated[int, Field(ge=0, description="Pairs whose full-data gap exceeds seed noise.")]


class CostScore(Frozen):
    """What the subset's runs took, next to the reference's with as many seeds."""

    subset: Cost
    full: Cost | None
    images_saved: Annotated[float | None, Field(le=1, description="Fraction of the full data's.")] = None
    flops_saved: Annotated[float | None, Field(le=1)] = None
    device_seconds_saved: Annotated[
        float | None, Field(le=1, description="None where the reference was measured on another kind of device.")
    ] = None


class Scorecard(Frozen):
    """The score of a subset."""

    schema_version: Literal[1] = 1
    package: Annotated[str, Field(description="Version of dlth-bench that scored.")]
    protocol: Annotated[str, Field(description="name@version")]
    protocol_digest: str
    manifest_digest: Annotated[
        str | None, Field(description="Of the protocol, or else of all results; None when they do not say.")
    ] = None
    subset_digest: Annotated[str, Field(description="Empty for a table of accuracies without a subset.")] = ""
    classes: Annotated[int, Field(ge=0)] = 0
    samples: Annotated[int | None, Field(gt=0, description="Of a sample subset; None: all of its classes.")] = None
    configs: tuple[ConfigScore, ...]
    pearson: CorrelationScore
    spearman: CorrelationScore
    kendall: CorrelationScore
    leave_one_out: Annotated[
        dict[str, Correlation | None], Field(default_factory=dict, description="Spearman without a config.")
    ]
    decision: DecisionScore | None = None
    cost: CostScore | None = None
    complete: Annotated[bool, Field(description="Every config has every seed, and none underfits.")]
    notes: tuple[str, ...] = ()
