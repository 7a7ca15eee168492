"""A run: the unit that is trained, cached, resumed and verified."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dlth_bench.spec.frozen import Frozen, digest_of
from dlth_bench.spec.protocol import Config, DataSpec
from dlth_bench.spec.recipe import TrainSpec


class Run(Frozen):
    """One config trained on one set of classes with one seed; self-contained, so that any worker can do it.

    Its identity is what decides the outcome: data, classes, recipe and seed. The protocol's name, title and
    reference do not, so a reference can be measured before the protocol that will quote it is frozen.
    """

    data: DataSpec
    config: Config
    class_ids: Annotated[tuple[str, ...], Field(min_length=2, description="Classes in canonical order.")]
    seed: int

    @property
    def digest(self) -> str:
        return digest_of(
            {
                "data": self.data.model_dump(mode="json", exclude_defaults=True),
                "recipe": self.config.recipe_digest,
                "classes": list(self.class_ids),
                "seed": self.seed,
            }
        )

    @property
    def images_seen(self) -> int | None:
        """Samples drawn in all stages, as in `Cost`; None when the number of training samples is the dataset's own."""
        if self.data.images_per_class is None:
            return None
        samples = len(self.class_ids) * self.data.images_per_class
        evaluation = self.config.evaluation
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
    return train.duration.in_steps(samples, train.batch_size) * train.batch_size
