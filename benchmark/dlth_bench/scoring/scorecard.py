"""A scorecard: all results of one subset under one protocol, scored."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.protocols.measurements import ACCURACY, Metric
from dlth_bench.protocols.protocol import Cost
from dlth_bench.subsets.subset import Replaced
from dlth_bench.util.model import Frozen

Correlation = Annotated[float, Field(ge=-1, le=1)]


class ConfigScore(Frozen):
    """One config on the subset and on the full data.

    Accuracies and means are of the scorecard's metric, in its unit, where that is another one.
    """

    config: str
    title: str
    accuracies: Annotated[tuple[float, ...], Field(description="Last-epoch top-1 on the subset, one a seed.")]
    mean: float | None
    std: Annotated[float | None, Field(ge=0, description="Over seeds, n - 1; None with fewer than two.")]
    reference_mean: float
    reference_std: Annotated[float | None, Field(ge=0)]
    reference_seeds: Annotated[int, Field(ge=1, description="Runs behind reference_mean; 1 for a published one.")] = 1
    reference_noise: Annotated[
        float | None,
        Field(
            ge=0,
            description="Std of one full-data run that the intervals reckon with: measured, stated, declared in the "
            "protocol, or that of the other configs; 0: the number is taken as exact; None: unknown.",
        ),
    ] = None
    family: Annotated[str, Field(description="Kind of method (or of backbone) that it shares with others.")] = ""
    problems: Annotated[tuple[str, ...], Field(description="Runs that are missing, broke down or underfit.")] = ()


class CorrelationScore(Frozen):
    """One correlation between the subset's and the full data's accuracies, over configs."""

    value: Correlation | None
    low: Annotated[Correlation | None, Field(description="Lower end of the 95 % interval over seeds.")] = None
    high: Annotated[Correlation | None, Field(description="Upper end of the 95 % interval over seeds.")] = None
    configs_low: Annotated[
        Correlation | None, Field(description="Lower end of the 95 % interval over configs: for others of their kind.")
    ] = None
    configs_high: Annotated[Correlation | None, Field(description="Upper end of that interval.")] = None
    p_value: Annotated[float | None, Field(ge=0, le=1, description="Share of config orders that reach it.")] = None
    ceiling: Annotated[
        Correlation | None, Field(description="Noise ceiling: expected between two full-data replicates.")
    ] = None
    reaches_ceiling: Annotated[
        bool | None,
        Field(
            description="Whether the interval over seeds reaches 1, which full-data replicates have once noise is "
            "taken out: the subset is indistinguishable from the full data at this seed count. None: no interval."
        ),
    ] = None
    disattenuated: Annotated[Correlation | None, Field(description="Corrected for seed noise of both sides.")] = None


class DecisionScore(Frozen):
    """What picking a config by the subset leads to."""

    picked: Annotated[str, Field(description="The config with the best mean on the subset.")]
    best: Annotated[str, Field(description="The config with the best mean on the full data.")]
    regret: Annotated[float, Field(ge=0, description="Full-data accuracy lost by the pick, in the metric's unit.")]
    top1_hit: Annotated[
        float | None, Field(ge=0, le=1, description="1 if the pick is the full data's best; a probability if it ties.")
    ] = None
    top2_hit: Annotated[
        float | None, Field(ge=0, le=1, description="1 if the full data's best is among the subset's first two.")
    ] = None
    resolved_gap: Annotated[
        float | None,
        Field(
            ge=0,
            description="Smallest full-data gap from which on every pair is ordered as on the full data, as a "
            "fraction; None: not even the largest.",
        ),
    ] = None
    noise_gap: Annotated[
        float | None,
        Field(ge=0, description="Gap on the subset that seed noise alone exceeds one time in 20; None: unknown."),
    ] = None
    pairs_agreed: Annotated[int, Field(ge=0, description="Pairs of configs ordered as on the full data.")]
    pairs_resolved: Annotated[int, Field(ge=0, description="Pairs whose full-data gap exceeds seed noise.")]


class StepScore(Frozen):
    """What changing one thing in the recipe does, on the subset and on the full data (paper, section 4.1, Fig. 6)."""

    axis: Annotated[str, Field(description="What the two configs differ in: backbone, budget, evaluation, ...")]
    before: str
    after: str
    also: Annotated[tuple[str, ...], Field(description="Settings outside the axis that differ, too.")] = ()
    full_gap: Annotated[float, Field(description="Accuracy of after less that of before, as a fraction.")]
    full_noise: Annotated[float | None, Field(ge=0, description="Half the 95 % interval of full_gap.")] = None
    subset_gap: float
    subset_noise: Annotated[float | None, Field(ge=0, description="Half the 95 % interval of subset_gap.")] = None
    same_sign: Annotated[bool | None, Field(description="None: one of the gaps is within its noise.")] = None


class FamilyScore(Frozen):
    """The configs of one kind of method among themselves."""

    family: str
    configs: Annotated[int, Field(ge=1)]
    pearson: Annotated[Correlation | None, Field(description="None with fewer than three configs.")] = None
    spearman: Correlation | None = None
    pairs_agreed: Annotated[int, Field(ge=0, description="Of pairs: ordered as on the full data.")]
    pairs: Annotated[int, Field(ge=0)]


class StructureScore(Frozen):
    """Whether the pooled correlation rests on families of methods or also holds within them."""

    families: tuple[FamilyScore, ...]
    within: Annotated[Correlation | None, Field(description="Pearson's, of deviations from the family's mean.")] = None
    within_p: Annotated[
        float | None, Field(ge=0, le=1, description="Share of orders within the families that reach it.")
    ] = None
    between: Annotated[Correlation | None, Field(description="Pearson's, of the families' means; three or more.")] = (
        None
    )
    rests_on_families: Annotated[
        bool | None,
        Field(description="Trend beyond chance over all configs, but likely chance within families; None: not clear."),
    ] = None


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
    metric: Annotated[Metric, Field(description="What the configs are ranked by; accuracy by default.")] = ACCURACY
    replaces: Annotated[Replaced, Field(description="Which data the subset takes the place of.")] = "training"
    subset_digest: Annotated[str, Field(description="Empty for a table of accuracies without a subset.")] = ""
    classes: Annotated[int, Field(ge=0)] = 0
    samples: Annotated[int | None, Field(gt=0, description="Of a sample subset; None: all of its classes.")] = None
    exponent: Annotated[
        float, Field(ge=0, le=1, description="Of the training's length: (N/n)^a times the full data's epochs.")
    ] = 0.0
    configs: tuple[ConfigScore, ...]
    pearson: CorrelationScore
    spearman: CorrelationScore
    kendall: CorrelationScore
    subset_reliability: Annotated[
        float | None, Field(ge=0, le=1, description="Share of the variance over configs that is not seed noise.")
    ] = None
    reference_reliability: Annotated[float | None, Field(ge=0, le=1, description="Likewise, of the full data.")] = None
    leave_one_out: Annotated[
        dict[str, Correlation | None], Field(default_factory=dict, description="Spearman without a config.")
    ]
    decision: DecisionScore | None = None
    steps: Annotated[tuple[StepScore, ...], Field(description="Pairs of configs that differ in one thing.")] = ()
    structure: Annotated[StructureScore | None, Field(description="None where configs form no families.")] = None
    cost: CostScore | None = None
    complete: Annotated[bool, Field(description="Every config has every seed, and none underfits.")]
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _values_in_range(self) -> Self:
        for score in self.configs:
            for value in (*score.accuracies, score.mean, score.reference_mean):
                if value is not None and not self.metric.holds(value):
                    raise ValueError(f"config {score.config} has {self.metric.problem(value)}")
        return self
