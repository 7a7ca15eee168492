"""What a result tells of the search for its ticket and of the ticket itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.prac import PracFacts, PracLevel
from dlth_bench.spec.search import SearchData


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
