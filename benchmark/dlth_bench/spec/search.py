"""A search for a ticket with less supervision than the ticket is trained with (Finding Winning Tickets with Limited
(or No) Supervision): another method, fewer samples, fewer classes, or labels that mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.method import SupervisedSpec
from dlth_bench.spec.pretext import ExemplarSpec, RotNetSpec, S4LSpec
from dlth_bench.spec.recipe import AugmentSpec, TrainSpec

Share = Annotated[float, Field(gt=0, lt=1)]
SearchMethodSpec = Annotated[SupervisedSpec | RotNetSpec | ExemplarSpec | S4LSpec, Field(discriminator="kind")]


class SearchSpec(Frozen):
    """What the search does otherwise than the config; the ticket is trained as the config says, on all labels.

    The search trains the weights of the rewind point and all of its levels. The ticket takes the encoder of the rewind
    point, gets a new, unpruned classifier from a stream of the seed of its own, and is trained from the first update
    of the config's schedule on, since no update of the search was one of the config's. An empty ``search`` is thus
    what others are compared with: found with all labels, and trained like theirs.
    """

    method: Annotated[SearchMethodSpec | None, Field(description="What is minimised; None: the config's method.")] = (
        None
    )
    train: Annotated[TrainSpec | None, Field(description="Length and optimizer; None: the config's.")] = None
    share_of_samples: Annotated[
        Share | None, Field(description="Low-shot by samples: of each class that part, at least one; None: all.")
    ] = None
    share_of_classes: Annotated[
        Share | None, Field(description="Low-shot by classes: that part, at least two, with all samples; None: all.")
    ] = None
    permute_labels: Annotated[
        bool, Field(description="A control: labels permuted once among the samples, which are not augmented.")
    ] = False

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.share_of_samples is not None and self.share_of_classes is not None:
            raise ValueError("give share_of_samples or share_of_classes, not both")
        if self.permute_labels and self.method is not None and self.method.kind != "supervised":
            raise ValueError(f"permute_labels is of supervised searches, the method {self.method.kind} is none")
        return self

    def problem(self, score: str, train: TrainSpec) -> str:
        """Why a search makes no sense with such a score and with what the config trains by; empty when it does."""
        method = self.method
        if method is None:
            return ""
        if method.kind == "supervised" and method.weight_average is not None:
            return "the search takes no weight average"
        if method.kind == "s4l" and (self.train or train).repeats > 1:
            return "a search with s4l draws its batches itself and takes no repeats"
        if method.kind != "supervised" and score in {"snip", "grasp", "synflow"}:
            return f"score {score} is of supervised searches, the method {method.kind} is none"
        return ""

    def method_for(self, own: SupervisedSpec) -> SearchMethodSpec:
        """The search's method, where ``own`` is the config's."""
        method = self.method or own
        if not self.permute_labels or not isinstance(method, SupervisedSpec):
            return method
        # Without views that differ there is only one way to fit such labels: to remember each image.
        plain = AugmentSpec(size=method.augment.size, crop_ratio=(1.0, 1.0), interpolation=method.augment.interpolation)
        return method.model_copy(update={"augment": plain, "mixup": 0.0, "cutmix": 0.0})

    def classes(self, classes: int) -> int:
        """How many of a run's ``classes`` the search sees."""
        return classes if self.share_of_classes is None else max(2, round(self.share_of_classes * classes))

    def samples(self, sizes: Sequence[int]) -> int | None:
        """How many samples the search draws from, of classes of such sizes; None: that depends on which it draws."""
        if self.share_of_samples is not None:
            return sum(part(self.share_of_samples, size) for size in sizes)
        if self.share_of_classes is None:
            return sum(sizes)
        return self.classes(len(sizes)) * sizes[0] if len(set(sizes)) == 1 else None


def part(share: float, samples: int) -> int:
    """How many of a class's samples a share of them is: at least one."""
    return max(1, round(share * samples))


class SearchData(Frozen):
    """What a search with a spec of its own was trained on, of the run's training samples."""

    samples: Annotated[int, Field(ge=1, description="Samples that it drew from.")]
    classes: Annotated[int, Field(ge=1, description="Classes of these.")]
    class_ids: Annotated[tuple[str, ...], Field(description="Which classes, where they are a part of the run's.")] = ()
    labelled: Annotated[int, Field(ge=0, description="Samples whose label it used.")]
    permuted: Annotated[int, Field(ge=0, description="Samples whose label is another's, of another class.")] = 0
    images: Annotated[int, Field(ge=0, description="Samples drawn in its trainings; part of the run's cost.")]
    flops: Annotated[float, Field(ge=0, description="Operations of its trainings; part of the run's cost.")]
    digest: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 of the positions (int64, in the run's order) and then the labels (int64; -1: none).",
        ),
    ]
