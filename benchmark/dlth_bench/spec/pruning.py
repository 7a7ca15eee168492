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

from dlth_bench.spec.duration import Duration
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.layer_depth import LayerDepth
from dlth_bench.spec.prac import PracFacts, PracSpec
from dlth_bench.spec.recipe import TrainSpec
from dlth_bench.spec.search import SearchSpec

Share = Annotated[float, Field(gt=0, lt=1)]


class RewindPoint(Frozen):
    """A point of training, counted from its start and in exactly one unit."""

    epochs: Annotated[float | None, Field(gt=0, description="Passes over the training samples.")] = None
    steps: Annotated[int | None, Field(gt=0, description="Optimizer updates.")] = None
    images: Annotated[
        int | None,
        Field(gt=0, description="Samples drawn, all views of one counted once: late resetting by samples seen."),
    ] = None
    fraction: Annotated[Share | None, Field(description="Part of all updates of the training.")] = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give exactly one of epochs, steps, images, fraction")
        return self

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
    samples_per_class: Annotated[int, Field(gt=0, description="Training samples that the loss is of.")] = 10


class GraspScore(Frozen):
    """How much of the gradient's norm is lost without the weight (Wang et al. 2020)."""

    kind: Literal["grasp"]
    samples_per_class: Annotated[int, Field(gt=0, description="Training samples that the loss is of.")] = 25
    temperature: Annotated[float, Field(gt=0, description="Divides the logits.")] = 200.0


class SynflowScore(Frozen):
    """The weight's part of the flow through the network of absolute weights (Tanaka et al. 2020); needs no data."""

    kind: Literal["synflow"]
    shots: Annotated[int, Field(gt=0, description="Scored anew so often, the density falling exponentially.")] = 100


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

    rounds: Annotated[int, Field(ge=1, le=100, description="How often a share of the weights is removed.")]
    rate: Annotated[Share, Field(description="Share of the weights that are left, removed in a round.")] = 0.2
    score: Annotated[ScoreSpec, Field(description="By what weights are kept, the highest of all layers together.")] = (
        MagnitudeScore(kind="magnitude")
    )
    scored: Annotated[
        Literal["trained", "rewound"],
        Field(description="trained: the weights at the end of each round; rewound: those at the rewind point, once."),
    ] = "trained"
    rewind: Annotated[
        RewindPoint | None, Field(description="Whose weights the ticket is trained from; None: the initial ones.")
    ] = None
    baseline: Annotated[Baseline | None, Field(description="A control in place of the ticket; None: the ticket.")] = (
        None
    )
    search: Annotated[
        SearchSpec | None, Field(description="What the search does otherwise than the config; None: nothing.")
    ] = None
    depth: Annotated[
        LayerDepth | None, Field(description="Which layers are pruned, and counted by rate; None: all.")
    ] = None
    prac: Annotated[
        PracSpec | None, Field(description="A search on a shrinking set of critical samples; None: on all.")
    ] = None

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
