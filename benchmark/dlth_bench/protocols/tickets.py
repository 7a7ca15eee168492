"""How a config finds a lottery ticket: a mask by a score, in rounds, and the weights that the mask is put on.

A ticket is a mask and weights to train from. With ``scored: trained`` this is iterative magnitude pruning with
rewinding (Frankle et al. 2020) or its like with another score: train, remove a share of the weights that are left, go
back to the weights of the rewind point, repeat. With ``scored: rewound`` the mask comes from the weights at the rewind
point, untrained by default, and is trained once: pruning at initialisation (SNIP, GraSP, SynFlow) and random masks.
Either way ``rounds`` and ``rate`` say how many weights are left, so that tickets of all kinds are equally sparse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.protocols.methods import METHODS, ExemplarSpec, RotNetSpec, S4LSpec, SupervisedSpec
from dlth_bench.protocols.recipe import AugmentSpec, Backbone, Duration, ExactlyOne, TrainSpec
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Digest, Frozen

FLOW_SCORES = frozenset({"snip", "grasp", "synflow"})
"""Scores by what flows through the network."""

SearchMethodSpec = Annotated[SupervisedSpec | RotNetSpec | ExemplarSpec | S4LSpec, Field(discriminator="kind")]


class SearchSpec(Frozen):
    """What the search does otherwise than the config; the ticket is trained as the config says, on all labels.

    The search trains the weights of the rewind point and all of its levels. The ticket takes the encoder of the rewind
    point, gets a new, unpruned classifier from a stream of the seed of its own, and is trained from the first update
    of the config's schedule on, since no update of the search was one of the config's. An empty ``search`` is thus
    what others are compared with: found with all labels, and trained like theirs.
    """

    method: SearchMethodSpec | None = Field(None, description="What is minimised; None: the config's method.")
    train: TrainSpec | None = Field(None, description="Length and optimizer; None: the config's.")
    share_of_samples: Share | None = Field(
        None, description="Low-shot by samples: of each class that part, at least one; None: all."
    )
    share_of_classes: Share | None = Field(
        None, description="Low-shot by classes: that part, at least two, with all samples; None: all."
    )
    permute_labels: bool = Field(
        False, description="A control: labels permuted once among the samples, which are not augmented."
    )

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
        if METHODS[method.kind].labels == "some" and (self.train or train).repeats > 1:
            return f"a search with {method.kind} draws its batches itself and takes no repeats"
        if method.kind != "supervised" and score in FLOW_SCORES:
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

    samples: int = Field(ge=1, description="Samples that it drew from.")
    classes: int = Field(ge=1, description="Classes of these.")
    class_ids: tuple[str, ...] = Field((), description="Which classes, where they are a part of the run's.")
    labelled: int = Field(ge=0, description="Samples whose label it used.")
    permuted: int = Field(0, ge=0, description="Samples whose label is another's, of another class.")
    images: int = Field(ge=0, description="Samples drawn in its trainings; part of the run's cost.")
    flops: float = Field(ge=0, description="Operations of its trainings; part of the run's cost.")
    digest: Digest = Field(
        description="SHA-256 of the positions (int64, in the run's order) and then the labels (int64; -1: none).",
    )


class EarlyBirdSpec(Frozen):
    """A level ends after an epoch if the masks of the last ones hardly differ (You et al. 2020, as in PrAC's code).

    After each epoch that follows the warm-up the mask is taken that pruning would leave then. Its distance to that of
    the epoch before, in live weights of the level, first has to exceed ``distance``: masks that do not move yet are no
    sign.
    """

    distance: float = Field(0.08, gt=0, lt=2, description="Masks closer than that count as the same.")
    patience: int = Field(5, ge=1, le=1000, description="How many epochs in a row they have to.")


class PracSpec(Frozen):
    """How the critical set is made and how much training it saves."""

    max_forgets: int = Field(
        0, ge=0, description="A sample that a level forgets more often is critical; one never learned is, too."
    )
    disagreement: Literal["retrained", "pruned"] | None = Field(
        "retrained",
        description="Whose predictions are compared on all samples. retrained: the dense level's and the sparse "
        "one's, both trained (the authors' code); pruned: a level's before and after pruning; None: nobody's.",
    )
    scaled_updates: bool = Field(
        True, description="Updates and schedule of a level shrink with its set, linearly; else they stay."
    )
    early_bird: EarlyBirdSpec | None = Field(EarlyBirdSpec(), description="When a level ends early; None: never.")
    source: Backbone | None = Field(
        None, description="The network that the set is found with, by a search of its own; None: the config's."
    )


class PracLevel(Frozen):
    """One level of the search: what it trained on and which samples it found critical."""

    samples: int = Field(ge=0, description="Samples that it was trained on.")
    updates: int = Field(ge=0, description="Updates that it made.")
    hard: int = Field(0, ge=0, description="Of its samples, those forgotten too often or never learned.")
    disagreeing: int = Field(0, ge=0, description="Of all samples, those that the compared networks see differently.")
    both: int = Field(0, ge=0, description="Samples that are one and the other.")


class PracFacts(Frozen):
    """What a result says of its critical set."""

    samples: int = Field(ge=1, description="All samples.")
    selected: int = Field(ge=0, description="Samples of the last critical set.")
    set_digest: Digest = Field(description="Of the set as a subset of the dataset.")
    search_updates: int = Field(ge=0, description="Updates of the search's levels.")
    vanilla_updates: int = Field(ge=1, description="Updates of as many levels on all samples.")
    source_updates: int = Field(
        0, ge=0, description="Updates of the search with the other network, up to its rewind point, too."
    )
    source_levels: tuple[PracLevel, ...] = Field((), description="Levels of the search with the other network.")
    images: int = Field(0, ge=0, description="Of finding the set: samples drawn in training.")
    flops: float = Field(0.0, ge=0, description="Of finding the set: operations of training and scoring.")
    device_seconds: float = Field(0.0, ge=0, description="Of finding the set: wall seconds.")

    @property
    def saved(self) -> float:
        """Part of the vanilla search's updates that were not needed; the search with another network is left out."""
        return 1 - self.search_updates / self.vanilla_updates

    @property
    def share(self) -> float:
        """Part of all samples that are in the set."""
        return self.selected / self.samples


class LayerDepth(ExactlyOne):
    """The first prunable layers, from the input on in the order of the network's modules; all others stay dense.

    In a ResNet that order goes stage by stage, with the convolutions of shortcuts: the first 11, 24 and 43 of a
    ResNet-50 are the stem with one, two and three stages.
    """

    layers: int | None = Field(None, gt=0, description="How many layers.")
    share: float | None = Field(None, gt=0, le=1, description="Part of all prunable layers, at least one.")

    def count(self, layers: int) -> int:
        """How many of a network's prunable ``layers`` are pruned.

        Raises:
            InputError: more than it has.
        """
        if self.share is not None:
            return max(1, round(self.share * layers))
        wanted = self.layers or 0
        if wanted > layers:
            raise InputError(f"pruning is to reach {wanted} layers deep, but the network has {layers} prunable layers")
        return wanted


Share = Annotated[float, Field(gt=0, lt=1)]


class RewindPoint(ExactlyOne):
    """A point of training, counted from its start and in exactly one unit."""

    epochs: float | None = Field(None, gt=0, description="Passes over the training samples.")
    steps: int | None = Field(None, gt=0, description="Optimizer updates.")
    images: int | None = Field(
        None, gt=0, description="Samples drawn, all views of one counted once: late resetting by samples seen."
    )
    fraction: Share | None = Field(None, description="Part of all updates of the training.")

    def in_steps(self, train: TrainSpec, samples: int) -> int:
        """Updates before the point, in a training on ``samples``; at least one.

        Raises:
            ValueError: the training is not longer than that.
        """
        total = train.duration.in_steps(samples, train.batch_size)
        if self.fraction is not None:
            step = max(1, round(self.fraction * total))
        else:
            length = Duration(epochs=self.epochs, steps=self.steps, images=self.images)
            step = length.in_steps(samples, train.batch_size)
        if step >= total:
            raise ValueError(f"the rewind point, update {step}, is not before the end of training, update {total}")
        return step


class MagnitudeScore(Frozen):
    """The weight's absolute value."""

    kind: Literal["magnitude"]


class SnipScore(Frozen):
    """How much the loss changes with the weight's place in the mask, |dL/dm| (Lee et al. 2019)."""

    kind: Literal["snip"]
    samples_per_class: int = Field(10, gt=0, description="Training samples that the loss is of.")


class GraspScore(Frozen):
    """How much of the gradient's norm is lost without the weight (Wang et al. 2020)."""

    kind: Literal["grasp"]
    samples_per_class: int = Field(25, gt=0, description="Training samples that the loss is of.")
    temperature: float = Field(200.0, gt=0, description="Divides the logits.")


class SynflowScore(Frozen):
    """The weight's part of the flow through the network of absolute weights (Tanaka et al. 2020); needs no data."""

    kind: Literal["synflow"]
    shots: int = Field(100, gt=0, description="Scored anew so often, the density falling exponentially.")


class RandomScore(Frozen):
    """All weights alike: a uniformly random mask."""

    kind: Literal["random"]


class RandomERKScore(Frozen):
    """Random within a layer, of layer densities by the Erdos-Renyi kernel rule (Evci et al. 2020)."""

    kind: Literal["random_erk"]


ScoreSpec = Annotated[
    MagnitudeScore | SnipScore | GraspScore | SynflowScore | RandomScore | RandomERKScore, Field(discriminator="kind")
]

Baseline = Literal["permute_layer", "reinit", "random_ticket"]
"""What is trained in place of the ticket that was found, as a control.

``permute_layer``: its mask shuffled within each layer, its weights. ``reinit``: its mask, new weights.
``random_ticket``: its mask shuffled within each layer, new weights. New weights are trained from the first update on,
so that with the ticket's own updates before the rewind point all see equally many.
"""


class PruningSpec(Frozen):
    """The search for a ticket among the weights of convolutions and hidden linear layers; the classifier stays dense.

    All trainings are the config's ``train``, each with a fresh optimizer; those from the rewind point on go on with
    the schedule there. The accuracy of the run is that of the trained ticket after its last update.
    """

    rounds: int = Field(ge=1, le=100, description="How often a share of the weights is removed.")
    rate: Share = Field(0.2, description="Share of the weights that are left, removed in a round.")
    score: ScoreSpec = Field(
        MagnitudeScore(kind="magnitude"), description="By what weights are kept, the highest of all layers together."
    )
    scored: Literal["trained", "rewound"] = Field(
        "trained",
        description="trained: the weights at the end of each round; rewound: those at the rewind point, once.",
    )
    rewind: RewindPoint | None = Field(
        None, description="Whose weights the ticket is trained from; None: the initial ones."
    )
    baseline: Baseline | None = Field(None, description="A control in place of the ticket; None: the ticket.")
    search: SearchSpec | None = Field(
        None, description="What the search does otherwise than the config; None: nothing."
    )
    depth: LayerDepth | None = Field(None, description="Which layers are pruned, and counted by rate; None: all.")
    prac: PracSpec | None = Field(None, description="A search on a shrinking set of critical samples; None: on all.")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.score.kind.startswith("random") and self.scored == "trained":
            raise ValueError(f"score {self.score.kind} does not look at weights: it needs scored: rewound")
        if self.prac is not None and (self.score.kind, self.scored) != ("magnitude", "trained"):
            raise ValueError("prac is a search by the magnitude of trained weights")
        if self.prac is not None and self.search is not None:
            # Its sets are of the samples and labels that the ticket is trained with.
            raise ValueError("prac searches by the config's own training: leave search out")
        return self

    @property
    def levels(self) -> int:
        """Trainings of the search, before that of the ticket."""
        return self.rounds if self.scored == "trained" else 0

    def live_after(self, rounds: int, weights: int) -> int:
        """How many of the prunable ``weights`` are left after some rounds."""
        for _ in range(rounds):
            weights -= round(self.rate * weights)
        return weights

    def rewind_step(self, train: TrainSpec, samples: int) -> int:
        """Updates before the rewind point; 0 is the start.

        Raises:
            ValueError: the training is not longer than that.
        """
        return 0 if self.rewind is None else self.rewind.in_steps(train, samples)

    def ticket_start(self, train: TrainSpec, samples: int) -> int:
        """The update from which the ticket, or its control, is trained on."""
        new = self.baseline in {"reinit", "random_ticket"} or self.search is not None
        return 0 if new else self.rewind_step(train, samples)

    def search_updates(self, train: TrainSpec, samples: int) -> int:
        """Updates of the levels together; with ``prac``, of as many levels on all samples.

        Args:
            train: the config's.
            samples: that the search draws from.
        """
        own = self.search_train(train)
        return self.levels * (own.duration.in_steps(samples, own.batch_size) - self.rewind_step(own, samples))

    def search_train(self, train: TrainSpec) -> TrainSpec:
        """How the levels are trained, where ``train`` is the config's."""
        return train if self.search is None else self.search.train or train

    def updates(self, train: TrainSpec, samples: int, prac: PracFacts | None = None) -> int:
        """Updates of all trainings together: up to the rewind point, of each level, and of the ticket.

        Of searches that are trained as the ticket is, on the same samples; see ``images`` for all.

        Args:
            prac: what a search on critical samples took in the end; without it, the most that it can.
        """
        total, rewind = train.duration.in_steps(samples, train.batch_size), self.rewind_step(train, samples)
        ticket = total - self.ticket_start(train, samples)
        if prac is not None:
            return rewind + prac.search_updates + prac.source_updates + ticket
        most = rewind + self.search_updates(train, samples)
        source = most if self.prac is not None and self.prac.source is not None else 0
        return most + source + ticket

    def search_images(self, train: TrainSpec, sizes: Sequence[int], prac: PracFacts | None = None) -> int | None:
        """Samples drawn in the search, up to the rewind point and in each level.

        None: as many as its classes have, or as its critical sets turn out to have.

        Args:
            train: the config's.
            sizes: samples of each of the run's classes that there are to search on.
            prac: as for ``updates``, which is not known without it.
        """
        own, samples = self.search_train(train), (self.search or SearchSpec()).samples(sizes)
        if samples is None:
            return None
        levels = self.search_updates(train, samples)
        if self.prac is not None:
            if prac is None:
                return None
            levels = prac.search_updates + prac.source_updates
        return (self.rewind_step(own, samples) + levels) * own.batch_size

    def ticket_images(self, train: TrainSpec, samples: int) -> int:
        """Samples drawn in the training of the ticket."""
        steps = train.duration.in_steps(samples, train.batch_size) - self.ticket_start(train, samples)
        return steps * train.batch_size

    def images(
        self, train: TrainSpec, sizes: Sequence[int], sparse: Sequence[int], prac: PracFacts | None = None
    ) -> int | None:
        """Samples drawn in all trainings; None as for ``search_images``.

        Args:
            sizes, prac: as for ``search_images``.
            sparse: samples of each class that there are to train the ticket on.
        """
        searched = self.search_images(train, sizes, prac)
        return None if searched is None else searched + self.ticket_images(train, sum(sparse))


class RemovalSpec(Frozen):
    """Which samples go before training, by the forgetting events of a first training by the same recipe.

    Fewer events are easier; samples that were never right are the hardest (Toneva et al. 2019).
    """

    order: Literal["easiest", "hardest"] = Field(description="Which samples go.")
    share: float = Field(gt=0, lt=1, description="Of all training samples.")

    def kept(self, samples: int) -> int:
        """How many of the samples stay."""
        return samples - round(self.share * samples)
