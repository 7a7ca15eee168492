"""A result: what one run leaves, and whether it contradicts itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from dlth_bench.protocols.measurements import ACCURACY, Measured, Metric
from dlth_bench.protocols.protocol import Accuracy, Cost
from dlth_bench.protocols.tickets import PracFacts, PracLevel, SearchData
from dlth_bench.subsets.subset import Replaced
from dlth_bench.util.model import Frozen


class Level(Frozen):
    """One round's training: how sparse the network was and how well it did."""

    density: Annotated[float, Field(ge=0, le=1, description="Share of the prunable weights that were left.")]
    accuracy: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Last-epoch top-1 on the validation samples: of classes, or of rotations in a search with "
            "rotnet; None: of a search that classifies nothing.",
        ),
    ] = None
    device_seconds: Annotated[float, Field(ge=0, description="Wall seconds of the training.")] = 0.0
    natural_sparsity: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Of the dense training: share of all prunable weights that it took below 1e-8, unpruned.",
        ),
    ] = None
    prac: Annotated[PracLevel | None, Field(description="Of searches on critical samples.")] = None


class TicketFacts(Frozen):
    """What a result says of its ticket, beside the accuracy."""

    rewind_step: Annotated[int, Field(ge=0, description="Updates before the rewind point.")]
    prunable_weights: Annotated[int, Field(ge=1, description="Weights that a mask is over.")]
    live_weights: Annotated[int, Field(ge=0, description="Of these, how many the mask keeps.")]
    density: Annotated[float, Field(ge=0, le=1, description="Live over prunable weights.")]
    total_density: Annotated[float, Field(ge=0, le=1, description="Live and unprunable over all parameters.")]
    empty_layers: Annotated[int, Field(ge=0, description="Prunable layers that the mask left no weight of.")] = 0
    mask_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the mask that was trained.")]
    levels: Annotated[tuple[Level, ...], Field(description="The search's trainings, dense first.")] = ()
    search_data: Annotated[
        SearchData | None, Field(description="Of a search with a spec of its own: what it was trained on.")
    ] = None
    prac: Annotated[PracFacts | None, Field(description="Of searches on critical samples: the set.")] = None
    search: Annotated[
        str,
        Field(
            pattern=r"^([0-9a-f]{64})?$",
            description="Names the search: tickets of one name share it, and each counts its whole cost as its own.",
        ),
    ] = ""
    scoring_flops: Annotated[float, Field(ge=0, description="Operations of scoring; part of the run's cost.")] = 0.0
    scoring_seconds: Annotated[float, Field(ge=0, description="Wall seconds of scoring; part of the run's cost.")] = 0.0


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


_ROUNDING = 1e-6
"""Results keep all digits; a larger difference is an edit."""


class Contradiction(NamedTuple):
    """A field of a result that contradicts the others, how, and what would be right."""

    field: str
    problem: str
    expected: str = ""


def contradictions(result: Result, classes: int, train_samples: int | None = None) -> Iterator[Contradiction]:
    """What in a finished result cannot be, as the outcome of one evaluation.

    Args:
        classes: how many the run was evaluated on.
        train_samples: how many it was trained on; None: unknown.
    """
    accuracies, counts = result.class_accuracy, result.class_counts
    if len(accuracies) != classes:
        yield Contradiction("class_accuracy", f"has {len(accuracies)} accuracies for {classes} classes")
    if len(counts) != classes or min(counts) < 0 or not sum(counts):
        yield Contradiction("class_counts", "has counts of samples that do not fit its classes")
    elif len(accuracies) == classes:
        yield from _of_classes(result)
    if result.train_accuracy is not None and train_samples and not _is_share(result.train_accuracy, train_samples):
        problem = f"has a training accuracy that is no share of its {train_samples} training samples"
        yield Contradiction("train_accuracy", problem)


def _of_classes(result: Result) -> Iterator[Contradiction]:
    counts = result.class_counts
    for index, (accuracy, count) in enumerate(zip(result.class_accuracy, counts, strict=True)):
        if not _is_share(accuracy, count):
            problem = f"has an accuracy ({accuracy:.6g} of {count}) that is no share of its class's samples"
            yield Contradiction(f"class_accuracy.{index}", problem)
    hits = math.fsum(accuracy * count for accuracy, count in zip(result.class_accuracy, counts, strict=True))
    mean = hits / sum(counts)
    if result.accuracy is None or abs(mean - result.accuracy) > _ROUNDING:
        yield Contradiction("accuracy", "has accuracies per class whose mean is not its accuracy", f"it is {mean:.6g}")


def _is_share(accuracy: float, samples: int) -> bool:
    """Whether some number of the samples is that part of them."""
    right = accuracy * samples
    return abs(right - round(right)) <= _ROUNDING * max(1.0, right)
