"""PrAC: a search for a ticket that trains on the samples that pruning finds critical (Zhang et al. 2021).

Each level of iterative magnitude pruning trains on the critical set of the level before it, the first on all samples.
A sample is critical if the level forgot it or never learned it (hard to memorize), or if the sparse network predicts
another class of it than the dense one did (easy to forget by pruning). A smaller set takes fewer updates, and a level
may stop early, once the mask that it would leave hardly changes any more. The ticket that was found is trained on all
samples.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.recipe import Backbone


class EarlyBirdSpec(Frozen):
    """A level ends after an epoch if the masks of the last ones hardly differ (You et al. 2020, as in PrAC's code).

    After each epoch that follows the warm-up the mask is taken that pruning would leave then. Its distance to that of
    the epoch before, in live weights of the level, first has to exceed ``distance``: masks that do not move yet are no
    sign.
    """

    distance: Annotated[float, Field(gt=0, lt=2, description="Masks closer than that count as the same.")] = 0.08
    patience: Annotated[int, Field(ge=1, le=1000, description="How many epochs in a row they have to.")] = 5


class PracSpec(Frozen):
    """How the critical set is made and how much training it saves."""

    max_forgets: Annotated[
        int, Field(ge=0, description="A sample that a level forgets more often is critical; one never learned is, too.")
    ] = 0
    disagreement: Annotated[
        Literal["retrained", "pruned"] | None,
        Field(
            description="Whose predictions are compared on all samples. retrained: the dense level's and the sparse "
            "one's, both trained (the authors' code); pruned: a level's before and after pruning; None: nobody's."
        ),
    ] = "retrained"
    scaled_updates: Annotated[
        bool, Field(description="Updates and schedule of a level shrink with its set, linearly; else they stay.")
    ] = True
    early_bird: Annotated[EarlyBirdSpec | None, Field(description="When a level ends early; None: never.")] = (
        EarlyBirdSpec()
    )
    source: Annotated[
        Backbone | None,
        Field(description="The network that the set is found with, by a search of its own; None: the config's."),
    ] = None


class PracLevel(Frozen):
    """One level of the search: what it trained on and which samples it found critical."""

    samples: Annotated[int, Field(ge=0, description="Samples that it was trained on.")]
    updates: Annotated[int, Field(ge=0, description="Updates that it made.")]
    hard: Annotated[int, Field(ge=0, description="Of its samples, those forgotten too often or never learned.")] = 0
    disagreeing: Annotated[
        int, Field(ge=0, description="Of all samples, those that the compared networks see differently.")
    ] = 0
    both: Annotated[int, Field(ge=0, description="Samples that are one and the other.")] = 0


class PracFacts(Frozen):
    """What a result says of its critical set."""

    samples: Annotated[int, Field(ge=1, description="All samples.")]
    selected: Annotated[int, Field(ge=0, description="Samples of the last critical set.")]
    set_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Of the set as a subset of the dataset.")]
    search_updates: Annotated[int, Field(ge=0, description="Updates of the search's levels.")]
    vanilla_updates: Annotated[int, Field(ge=1, description="Updates of as many levels on all samples.")]
    source_updates: Annotated[
        int, Field(ge=0, description="Updates of the search with the other network, up to its rewind point, too.")
    ] = 0
    source_levels: Annotated[
        tuple[PracLevel, ...], Field(description="Levels of the search with the other network.")
    ] = ()
    images: Annotated[int, Field(ge=0, description="Of finding the set: samples drawn in training.")] = 0
    flops: Annotated[float, Field(ge=0, description="Of finding the set: operations of training and scoring.")] = 0.0
    device_seconds: Annotated[float, Field(ge=0, description="Of finding the set: wall seconds.")] = 0.0

    @property
    def saved(self) -> float:
        """Part of the vanilla search's updates that were not needed; the search with another network is left out."""
        return 1 - self.search_updates / self.vanilla_updates

    @property
    def share(self) -> float:
        """Part of all samples that are in the set."""
        return self.selected / self.samples
