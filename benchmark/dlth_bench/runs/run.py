"""A run: the unit that is trained, cached, resumed and verified; and how its steps are computed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from dlth_bench.datasets.catalog import classes_of
from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import TrainSpec
from dlth_bench.protocols.tickets import PracFacts
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
