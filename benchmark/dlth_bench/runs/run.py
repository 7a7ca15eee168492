"""A run, the unit that is trained, cached, resumed and verified; how steps are computed; and the result it leaves."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from dlth_bench.datasets.catalog import classes_of
from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.protocols.measurements import ACCURACY, Measured, Metric
from dlth_bench.protocols.protocol import Accuracy, Config, Cost
from dlth_bench.protocols.recipe import TrainSpec
from dlth_bench.protocols.tickets import PracFacts, PracLevel, SearchData
from dlth_bench.subsets.subset import PHASES, Phase, Replaced, Subset, on_subset
from dlth_bench.util.model import Frozen, digest_of


class Run(Frozen):
    """One config trained on one subset with one seed; self-contained, so that any worker can do it.

    A run on samples trains on exactly these and is evaluated on all validation samples of their classes.

    Its identity is what decides the outcome: data, classes or samples, recipe and seed. The protocol's name, title and
    reference do not, so a reference can be measured before the protocol that will quote it is frozen.
    """

    data: DataSpec
    config: Config
    class_ids: Annotated[tuple[str, ...], Field(min_length=2, description="Classes in canonical order.")]
    sample_ids: Annotated[
        tuple[str, ...] | None,
        Field(description="Training samples in canonical order; None: all that the data have of the classes."),
    ] = None
    seed: int
    replaced: Annotated[
        Replaced, Field(description="The phases that take the samples; the others take all of their classes.")
    ] = "training"

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("digest", None)  # pydantic copies what is cached, too
        return copied

    @classmethod
    def on(cls, subset: Subset, data: DataSpec, config: Config, seed: int, *, replaces: Replaced = "training") -> Self:
        """The run of a config on a subset of the data; classes replace the data of every phase, whatever the rule."""
        if subset.unit == "class":
            return cls(data=data, config=config, class_ids=subset.class_ids, seed=seed)
        return cls(
            data=data,
            config=config,
            class_ids=subset.class_ids,
            sample_ids=subset.ids,
            seed=seed,
            replaced=replaces,
        )

    @model_validator(mode="after")
    def _classes_of_samples(self) -> Self:
        if self.sample_ids is None:
            if self.replaced != "training":
                raise ValueError(f"replaces {self.replaced} without samples")
            return self
        if any(one >= other for one, other in itertools.pairwise(self.sample_ids)):
            raise ValueError("the samples must be in canonical order, each once")
        if classes_of(self.sample_ids) != self.class_ids:
            raise ValueError("the classes must be those of the samples")
        return self

    @cached_property
    def digest(self) -> str:
        """Computed once: whoever waits for hundreds of runs asks for it all the time."""
        identity = {
            "data": self.data.model_dump(mode="json", exclude_defaults=True),
            "recipe": self.config.recipe_digest,
            "classes": list(self.class_ids),
            "seed": self.seed,
        }
        if self.sample_ids is not None:
            identity["samples"] = list(self.sample_ids)
        if self.replaced != "training":
            identity["replaced"] = self.replaced
        return digest_of(identity)

    def search_digest(self, manifest_digest: str) -> str:
        """Names the search for a ticket that the run begins with, on the data found.

        Runs that differ in what they then do with it have the same: in the control, in how many rounds they go, in
        what they measure, or in the samples that the ticket, not the search, is trained on.

        Raises:
            ValueError: the config does not prune.
        """
        if self.config.pruning is None:
            raise ValueError(f"config {self.config.name} does not prune")
        search = self.config.pruning.model_copy(update={"baseline": None, "rounds": 1})
        config = self.config.model_copy(update={"pruning": search, "measure": ()})
        data = self.data.model_copy(update={"manifest_digest": manifest_digest})
        samples = self.sample_ids if on_subset("search", self.replaced) else None
        changed = {"config": config, "data": data, "sample_ids": samples, "replaced": "training"}
        return self.model_copy(update=changed).digest

    @property
    def pretraining_digest(self) -> str | None:
        """Names what the first of two stages trains; runs that differ in evaluation alone have it in common.

        None for runs of one stage, and for those that search for a ticket, remove samples or measure while they train.
        """
        config = self.config
        if config.evaluation is None or config.pruning is not None or config.removal is not None or config.measure:
            return None
        first = self.config.model_copy(update={"evaluation": None})
        return self.model_copy(update={"config": first}).digest

    @property
    def samples(self) -> int | None:
        """How many samples are trained on; None when that is the dataset's own number of the classes."""
        return self.full_samples if self.sample_ids is None else len(self.sample_ids)

    @property
    def full_samples(self) -> int | None:
        """How many samples there are of its classes; None when that is the dataset's own number."""
        return None if self.data.images_per_class is None else len(self.class_ids) * self.data.images_per_class

    def samples_of(self, phase: Phase) -> int | None:
        """How many samples a phase is trained on; None when that is the dataset's own number."""
        return self.samples if on_subset(phase, self.replaced) else self.full_samples

    @property
    def evaluated_samples(self) -> int | None:
        """How many samples the training accuracy is of: those that the evaluated network was trained on last."""
        if self.config.pruning is not None:
            return self.samples_of("sparse_training")
        samples = self.samples_of("search" if self.config.evaluation is None else "probe")
        removal = self.config.removal
        return samples if removal is None or samples is None else removal.kept(samples)

    @property
    def images_seen(self) -> int | None:
        """Samples drawn in all stages, as in `Cost`; None when it cannot be foretold.

        That is where the number of training samples is the dataset's own, where measurements train, too, of searches
        on critical samples, and of those on some of the classes where these have unequally many samples.
        """
        return self.images_seen_with()

    def images_seen_with(self, full: Sequence[int] | None = None, prac: PracFacts | None = None) -> int | None:
        """The same where more is known.

        Args:
            full: how many training samples the data have of each of the run's classes; None: as many as they take.
            prac: what a search on critical samples took in the end.
        """
        each = self.data.images_per_class
        known = (each,) * len(self.class_ids) if full is None and each is not None else full
        search, sparse, probe = (self.sizes(phase, known) for phase in PHASES)
        if search is None or sparse is None or probe is None or any(spec.trains for spec in self.config.measure):
            return None
        evaluation, pruning = self.config.evaluation, self.config.pruning
        if pruning is not None:
            return pruning.images(self.config.train, search, sparse, prac)
        samples, probed = sum(search), sum(probe)
        seen = _drawn(self.config.train, samples)
        if self.config.removal is not None:
            seen += _drawn(self.config.train, self.config.removal.kept(samples))
        if evaluation is None:
            return seen
        once = evaluation.kind == "linear" and evaluation.augment is None
        return seen + (probed if once else _drawn(evaluation.train, probed))

    def sizes(self, phase: Phase, full: Sequence[int] | None) -> Sequence[int] | None:
        """Training samples of each class in a phase, where the full data have so many."""
        if self.sample_ids is None or not on_subset(phase, self.replaced):
            return full
        counts = Counter(sample_id.partition("/")[0] for sample_id in self.sample_ids)
        return tuple(counts[class_id] for class_id in self.class_ids)

    @property
    def label(self) -> str:
        """How progress bars and logs call it."""
        return f"{self.config.name} seed {self.seed}"


def _drawn(train: TrainSpec, samples: int) -> int:
    return train.duration.in_steps(train.trained_samples(samples), train.batch_size) * train.batch_size


class Tuning(Frozen):
    """Devices, memory and compilation. They change rounding alone, so they are no part of a run's identity."""

    devices: Annotated[int, Field(ge=1, description="Processes that train a run together, one a device.")] = 1
    micro_batch: Annotated[
        int | None, Field(ge=1, description="Samples of one forward and backward pass; None: all that a device has.")
    ] = None
    checkpoint_activations: Annotated[
        bool, Field(description="Keep a block's input alone and compute the rest again for the backward pass.")
    ] = False
    compile: Annotated[bool, Field(description="Run the networks' blocks through torch.compile.")] = False

    @property
    def text(self) -> str:
        """What differs from a plain step; empty: nothing."""
        parts = [
            f"{self.devices} devices" if self.devices > 1 else "",
            f"micro-batches of at most {self.micro_batch}" if self.micro_batch is not None else "",
            "activation checkpointing" if self.checkpoint_activations else "",
            "torch.compile" if self.compile else "",
        ]
        return ", ".join(part for part in parts if part)


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
