"""Methods that need few labels or none, as searches for tickets with limited supervision use them.

What the paper on such tickets and the papers it cites leave open is frozen here, and marked "our choice".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.recipe import AugmentSpec

LabelledShare = Annotated[float, Field(gt=0, lt=1, description="Share of each class's samples that keep their label.")]


class RotNetSpec(Frozen):
    """Which of four rotations was applied to an image (Gidaris et al. 2018); a batch holds all four of each image."""

    kind: Literal["rotnet"]
    augment: Annotated[AugmentSpec, Field(description="Of the view that is rotated.")]


class ExemplarSpec(Frozen):
    """Views of an image closer to each other than to another image's (Dosovitskiy et al. 2016).

    By a triplet margin loss, after Doersch and Zisserman (2017). Our choices: cosine distance, the margin, how many
    views, how far small rotations go, and the negatives (see the method). The batch size counts images.
    """

    kind: Literal["exemplar"]
    augment: Annotated[AugmentSpec, Field(description="Of each view, colour jitter included.")]
    views: Annotated[int, Field(ge=2, le=64, description="Views of each image in a batch.")] = 2
    rotation: Annotated[float, Field(ge=0, le=45, description="Views turn by up to so many degrees each way.")] = 10.0
    margin: Annotated[float, Field(gt=0, description="By how much the other image is to be farther away.")] = 0.5
    dim: Annotated[int, Field(gt=0, description="Width of the embedding, a linear layer on the features.")] = 128


class S4LSpec(Frozen):
    """Classification of few labelled images and rotations of all (S4L-Rotation of Zhai et al. 2019).

    Half of each batch has labels, half has none; the batch size counts both.
    """

    kind: Literal["s4l"]
    augment: Annotated[AugmentSpec, Field(description="Of the view that is rotated and classified.")]
    labelled: LabelledShare = 0.1
    weight: Annotated[float, Field(ge=0, description="Of the rotation loss beside that of classes.")] = 1.0


PretextMethodSpec = RotNetSpec | ExemplarSpec | S4LSpec
