"""Self-supervised methods that embed two views of each image and make the embeddings agree."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.recipe import EMA, AugmentSpec, Probability, Temperature

Width = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


class TwoViewSpec(Frozen):
    """What they have in common: two augmentations and a projection head."""

    views: Annotated[tuple[AugmentSpec, AugmentSpec], Field(description="Augmentation of each view.")]
    hidden_dim: Annotated[Width, Field(description="Width of the projection head's hidden layers.")]
    dim: Annotated[Width, Field(description="Width of the projection.")]


class BarlowTwinsSpec(TwoViewSpec):
    """Cross-correlation of the two views' features made the identity (Zbontar et al. 2021)."""

    kind: Literal["barlow_twins"]
    redundancy_weight: Annotated[Weight, Field(description="Weight of the off-diagonal terms; lambda.")] = 0.005
    loss_scale: Annotated[float, Field(gt=0, description="Factor of the whole loss.")] = 1.0


class BYOLSpec(TwoViewSpec):
    """An online network predicts a momentum target's projection of the other view (Grill et al. 2020)."""

    kind: Literal["byol"]
    predictor_dim: Annotated[Width, Field(description="Width of the predictor's hidden layer.")]
    momentum: Annotated[EMA, Field(description="Target momentum at the start; a cosine takes it to 1.")] = 0.996
    loss_scale: Annotated[float, Field(gt=0, description="Factor of the whole loss.")] = 1.0


class NNCLRSpec(TwoViewSpec):
    """Contrast in which a queue's nearest neighbour stands for one view (Dwibedi et al. 2021)."""

    kind: Literal["nnclr"]
    predictor_dim: Annotated[Width, Field(description="Width of the predictor's hidden layer.")]
    temperature: Temperature = 0.1
    queue: Annotated[int, Field(gt=0, description="Projections kept as neighbours; at least the batch size.")]


class SimCLRSpec(TwoViewSpec):
    """Contrast of two views against all other views of the batch (Chen et al. 2020)."""

    kind: Literal["simclr"]
    temperature: Temperature


class SimSiamSpec(TwoViewSpec):
    """A predictor and a stopped gradient, without negatives or momentum (Chen and He 2021)."""

    kind: Literal["simsiam"]
    predictor_dim: Annotated[Width, Field(description="Width of the predictor's hidden layer.")]


class SwAVSpec(TwoViewSpec):
    """Each view predicts the other's balanced assignment to prototypes (Caron et al. 2020)."""

    kind: Literal["swav"]
    prototypes: Annotated[int, Field(gt=0, description="Number of prototypes.")]
    temperature: Temperature = 0.1
    sinkhorn_iterations: Annotated[int, Field(ge=0)] = 3
    sinkhorn_epsilon: Annotated[float, Field(gt=0, description="Entropy regularisation of the assignment.")] = 0.05
    queue: Annotated[int, Field(ge=0, description="Projections kept of each view to balance over; 0: none.")] = 0
    queue_start: Annotated[Probability, Field(description="Fraction of training before the queue is used.")] = 0.0
    freeze_prototypes: Annotated[
        Probability, Field(description="Fraction of training during which the prototypes stay fixed.")
    ] = 0.0


class VICRegSpec(TwoViewSpec):
    """Invariance to the view, variance of each feature, no covariance between them (Bardes et al. 2022).

    Weights are those of the paper's equation 6, in which the variance terms of the two views are summed; the original
    code takes their mean. Invariance is the mean squared error over samples and features, as in that code.
    """

    kind: Literal["vicreg"]
    invariance_weight: Weight = 25.0
    variance_weight: Weight = 25.0
    covariance_weight: Weight = 1.0


TwoViewMethodSpec = BarlowTwinsSpec | BYOLSpec | NNCLRSpec | SimCLRSpec | SimSiamSpec | SwAVSpec | VICRegSpec
