"""A result: what one run leaves."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.metric import ACCURACY, Measured, Metric
from dlth_bench.spec.protocol import Accuracy
from dlth_bench.spec.reference import Cost
from dlth_bench.spec.replaced import Replaced
from dlth_bench.spec.ticket import TicketFacts

TRAINING_VERSION = 1
"""Raised by a change to training that moves accuracies: results of different versions are not scored together."""


class Environment(Frozen):
    """What the run was computed with."""

    package: Annotated[str, Field(description="Version of dlth-bench.")]
    commit: Annotated[str, Field(description="Commit of the checkout; empty for an installed wheel.")] = ""
    python: str
    torch: str
    timm: str
    lightly: str = ""
    lightning: str = ""
    platform: str
    device: Annotated[str, Field(description="Model name of the processor or GPU.")]
    devices: Annotated[int, Field(ge=1, lt=2**20, description="Devices that trained together.")] = 1
    threads: Annotated[int, Field(ge=1, description="CPU threads of the process.")]


class Curves(Frozen):
    """Training as it went, one value a recorded step."""

    pretrain_steps: tuple[int, ...] = ()
    pretrain_loss: tuple[float, ...] = ()
    evaluation_steps: tuple[int, ...] = ()
    evaluation_loss: tuple[float, ...] = ()


class Result(Frozen):
    """The outcome of one run; a diverged or failed run is a result with a status and a reason."""

    schema_version: Literal[1] = 1
    training_version: Annotated[int, Field(ge=1, description="TRAINING_VERSION of the code that trained.")] = 1
    run: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the run.")]
    config: Annotated[str, Field(max_length=64, description="Name of the config in its protocol.")]
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    manifest_digest: Annotated[
        str | None, Field(pattern=r"^[0-9a-f]{64}$", description="Of the dataset that the run found.")
    ] = None
    status: Literal["finished", "diverged", "failed"]
    reason: Annotated[str, Field(max_length=500, description="Why a run did not finish.")] = ""
    accuracy: Annotated[Accuracy | None, Field(description="Last-epoch top-1 on the validation samples.")] = None
    class_accuracy: Annotated[tuple[Accuracy, ...], Field(description="Top-1 a class, in the run's order.")] = ()
    class_counts: Annotated[
        tuple[Annotated[int, Field(lt=2**31)], ...], Field(description="Validation samples a class.")
    ] = ()
    train_accuracy: Annotated[Accuracy | None, Field(description="Top-1 on unaugmented training samples.")] = None
    curves: Curves = Curves()
    cost: Cost | None = None
    reused_seconds: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False, description="Of the cost's device seconds: spent by a run that begins alike."),
    ] = 0.0
    ticket: Annotated[TicketFacts | None, Field(description="Of configs that prune: what was found.")] = None
    notes: Annotated[
        tuple[Annotated[str, Field(max_length=200)], ...],
        Field(max_length=100, description="How steps were computed, from which one on, where it was not plainly."),
    ] = ()
    replaced: Annotated[Replaced, Field(description="Which data the subset took the place of.")] = "training"
    measured: Annotated[
        tuple[Measured, ...], Field(max_length=20, description="Metrics beside the accuracy, of configs that ask.")
    ] = ()
    peak_memory_bytes: Annotated[
        int, Field(ge=0, lt=2**63, description="Device memory on a GPU, else of the process.")
    ] = 0
    environment: Environment | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "finished" and (self.accuracy is None or self.cost is None):
            raise ValueError("a finished result needs its accuracy and cost")
        if self.status != "finished" and not self.reason:
            raise ValueError(f"a {self.status} result needs a reason")
        return self

    def value(self, metric: Metric) -> float | None:
        """The run's value of a metric; None where the result does not say it."""
        if metric == ACCURACY:
            return self.accuracy
        found = (value for one in self.measured for value in one.values if value.metric == metric)
        return next((value.value for value in found), None)
