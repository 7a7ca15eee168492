"""A run: the unit that is trained, cached, resumed and verified."""

from __future__ import annotations

import itertools
from typing import Annotated, Self

from pydantic import Field, model_validator

from dlth_bench.spec.frozen import Frozen, digest_of
from dlth_bench.spec.protocol import Config, DataSpec
from dlth_bench.spec.recipe import TrainSpec
from dlth_bench.spec.samples import classes_of
from dlth_bench.spec.subset import Subset


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

    @classmethod
    def on(cls, subset: Subset, data: DataSpec, config: Config, seed: int) -> Self:
        """The run of a config on a subset of the data."""
        samples = subset.ids if subset.unit == "sample" else None
        return cls(data=data, config=config, class_ids=subset.class_ids, sample_ids=samples, seed=seed)

    @model_validator(mode="after")
    def _classes_of_samples(self) -> Self:
        if self.sample_ids is None:
            return self
        if any(one >= other for one, other in itertools.pairwise(self.sample_ids)):
            raise ValueError("the samples must be in canonical order, each once")
        if classes_of(self.sample_ids) != self.class_ids:
            raise ValueError("the classes must be those of the samples")
        return self

    @property
    def digest(self) -> str:
        identity = {
            "data": self.data.model_dump(mode="json", exclude_defaults=True),
            "recipe": self.config.recipe_digest,
            "classes": list(self.class_ids),
            "seed": self.seed,
        }
        if self.sample_ids is not None:
            identity["samples"] = list(self.sample_ids)
        return digest_of(identity)

    def search_digest(self, manifest_digest: str) -> str:
        """Names the search for a ticket that the run begins with, on the data found.

        Runs that differ in what they then do with it, in the control or in how many rounds they go, have the same.

        Raises:
            ValueError: the config does not prune.
        """
        if self.config.pruning is None:
            raise ValueError(f"config {self.config.name} does not prune")
        search = self.config.pruning.model_copy(update={"baseline": None, "rounds": 1})
        config = self.config.model_copy(update={"pruning": search})
        data = self.data.model_copy(update={"manifest_digest": manifest_digest})
        return self.model_copy(update={"config": config, "data": data}).digest

    @property
    def samples(self) -> int | None:
        """How many samples are trained on; None when that is the dataset's own number of the classes."""
        if self.sample_ids is not None:
            return len(self.sample_ids)
        return None if self.data.images_per_class is None else len(self.class_ids) * self.data.images_per_class

    @property
    def images_seen(self) -> int | None:
        """Samples drawn in all stages, as in `Cost`; None when it cannot be foretold.

        That is where the number of training samples is the dataset's own, and of searches on critical samples.
        """
        samples = self.samples
        if samples is None:
            return None
        evaluation, pruning = self.config.evaluation, self.config.pruning
        if pruning is not None and pruning.prac is not None:
            return None  # depends on what the search finds
        if pruning is not None:
            return pruning.updates(self.config.train, samples) * self.config.train.batch_size
        seen = _drawn(self.config.train, samples)
        if evaluation is None:
            return seen
        once = evaluation.kind == "linear" and evaluation.augment is None
        return seen + (samples if once else _drawn(evaluation.train, samples))

    @property
    def label(self) -> str:
        """How progress bars and logs call it."""
        return f"{self.config.name} seed {self.seed}"


def _drawn(train: TrainSpec, samples: int) -> int:
    return train.duration.in_steps(train.trained_samples(samples), train.batch_size) * train.batch_size
