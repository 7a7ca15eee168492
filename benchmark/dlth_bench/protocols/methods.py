"""Training methods and evaluations of a config, one spec each, with all their hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from dlth_bench.protocols.recipe import EMA, AugmentSpec, Probability, Temperature, TrainSpec
from dlth_bench.util.model import Frozen, Registry

Width = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


class TwoViewSpec(Frozen):
    """What they have in common: two augmentations and a projection head."""

    views: tuple[AugmentSpec, AugmentSpec] = Field(description="Augmentation of each view.")
    hidden_dim: Width = Field(description="Width of the projection head's hidden layers.")
    dim: Width = Field(description="Width of the projection.")


class BarlowTwinsSpec(TwoViewSpec):
    """Cross-correlation of the two views' features made the identity (Zbontar et al. 2021)."""

    kind: Literal["barlow_twins"]
    redundancy_weight: Weight = Field(0.005, description="Weight of the off-diagonal terms; lambda.")
    loss_scale: float = Field(1.0, gt=0, description="Factor of the whole loss.")


class BYOLSpec(TwoViewSpec):
    """An online network predicts a momentum target's projection of the other view (Grill et al. 2020)."""

    kind: Literal["byol"]
    predictor_dim: Width = Field(description="Width of the predictor's hidden layer.")
    momentum: EMA = Field(0.996, description="Target momentum at the start; a cosine takes it to 1.")
    loss_scale: float = Field(1.0, gt=0, description="Factor of the whole loss.")


class NNCLRSpec(TwoViewSpec):
    """Contrast in which a queue's nearest neighbour stands for one view (Dwibedi et al. 2021)."""

    kind: Literal["nnclr"]
    predictor_dim: Width = Field(description="Width of the predictor's hidden layer.")
    temperature: Temperature = 0.1
    queue: int = Field(gt=0, description="Projections kept as neighbours; at least the batch size.")


class SimCLRSpec(TwoViewSpec):
    """Contrast of two views against all other views of the batch (Chen et al. 2020)."""

    kind: Literal["simclr"]
    temperature: Temperature


class SimSiamSpec(TwoViewSpec):
    """A predictor and a stopped gradient, without negatives or momentum (Chen and He 2021)."""

    kind: Literal["simsiam"]
    predictor_dim: Width = Field(description="Width of the predictor's hidden layer.")


class SwAVSpec(TwoViewSpec):
    """Each view predicts the other's balanced assignment to prototypes (Caron et al. 2020)."""

    kind: Literal["swav"]
    prototypes: int = Field(gt=0, description="Number of prototypes.")
    temperature: Temperature = 0.1
    sinkhorn_iterations: int = Field(3, ge=0)
    sinkhorn_epsilon: float = Field(0.05, gt=0, description="Entropy regularisation of the assignment.")
    queue: int = Field(0, ge=0, description="Projections kept of each view to balance over; 0: none.")
    queue_start: Probability = Field(0.0, description="Fraction of training before the queue is used.")
    freeze_prototypes: Probability = Field(
        0.0, description="Fraction of training during which the prototypes stay fixed."
    )


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


LabelledShare = Annotated[float, Field(gt=0, lt=1, description="Share of each class's samples that keep their label.")]


class RotNetSpec(Frozen):
    """Which of four rotations was applied to an image (Gidaris et al. 2018); a batch holds all four of each image."""

    kind: Literal["rotnet"]
    augment: AugmentSpec = Field(description="Of the view that is rotated.")


class ExemplarSpec(Frozen):
    """Views of an image closer to each other than to another image's (Dosovitskiy et al. 2016).

    By a triplet margin loss, after Doersch and Zisserman (2017). Our choices: cosine distance, the margin, how many
    views, how far small rotations go, and the negatives (see the method). The batch size counts images.
    """

    kind: Literal["exemplar"]
    augment: AugmentSpec = Field(description="Of each view, colour jitter included.")
    views: int = Field(2, ge=2, le=64, description="Views of each image in a batch.")
    rotation: float = Field(10.0, ge=0, le=45, description="Views turn by up to so many degrees each way.")
    margin: float = Field(0.5, gt=0, description="By how much the other image is to be farther away.")
    dim: int = Field(128, gt=0, description="Width of the embedding, a linear layer on the features.")


class S4LSpec(Frozen):
    """Classification of few labelled images and rotations of all (S4L-Rotation of Zhai et al. 2019).

    Half of each batch has labels, half has none; the batch size counts both.
    """

    kind: Literal["s4l"]
    augment: AugmentSpec = Field(description="Of the view that is rotated and classified.")
    labelled: LabelledShare = 0.1
    weight: float = Field(1.0, ge=0, description="Of the rotation loss beside that of classes.")


PretextMethodSpec = RotNetSpec | ExemplarSpec | S4LSpec


class MoCoSpec(Frozen):
    """Momentum contrast with a queue (He et al. 2020; v2: Chen et al. 2020).

    v1 is a linear head without blur, v2 an MLP head with blur. Without ``batch_norm_groups`` batch norm sees the whole
    batch and keys are not shuffled.
    v2+ (solo-learn) is v2 with a symmetric loss, a wide hidden layer and a momentum that grows.
    """

    kind: Literal["moco"]
    augment: AugmentSpec
    dim: int = Field(128, gt=0, description="Width of the projection.")
    mlp: bool = Field(description="Two-layer projection head (v2) in place of a linear one (v1).")
    temperature: Temperature
    queue: int = Field(gt=0, description="Keys kept as negatives; a multiple of the batch size.")
    momentum: EMA = 0.999
    batch_norm_groups: int | None = Field(
        None, gt=1, description="Parts of a batch with batch norm of their own, keys shuffled across (GPUs at first)."
    )
    final_momentum: EMA | None = Field(None, description="A cosine takes the momentum there; None: constant.")
    hidden_dim: int | None = Field(None, gt=0, description="Hidden width of the MLP head; None: the features'.")
    symmetric: bool = Field(
        False, description="Each view is query and key once, against a queue for each; the mean of both losses."
    )


class DINOSpec(Frozen):
    """Self-distillation with no labels (Caron et al. 2021)."""

    kind: Literal["dino"]
    global_views: tuple[AugmentSpec, AugmentSpec] = Field(description="The teacher sees these two.")
    local_view: AugmentSpec | None = Field(None, description="The small crops; None where there are none.")
    local_crops: int = Field(ge=0, description="Small crops that only the student sees.")
    out_dim: int = Field(gt=0, description="Number of prototypes.")
    hidden_dim: int = Field(gt=0, description="Width of the head's hidden layers.")
    bottleneck_dim: int = Field(gt=0, description="Width before the prototypes.")
    norm_last_layer: bool
    head_batch_norm: bool = Field(
        False, description="Batch norm in the head's hidden layers (``use_bn_in_head`` of the original)."
    )
    student_temperature: Temperature = 0.1
    teacher_temperature: Temperature = 0.04
    warmup_teacher_temperature: Temperature = 0.04
    warmup_teacher: Probability = Field(0.0, description="Fraction of training to warm the teacher up.")
    center_momentum: EMA = 0.9
    momentum: EMA = Field(0.996, description="Teacher momentum at the start; a cosine takes it to 1.")
    teacher_horizon: Probability | None = Field(
        None, gt=0, description="Fraction of training that the teacher averages over at the start; sets the momentum."
    )
    freeze_last_layer: Probability = Field(
        0.0, description="Fraction of training during which the prototypes stay fixed."
    )

    @model_validator(mode="after")
    def _local_view_given(self) -> Self:
        if self.local_crops and self.local_view is None:
            raise ValueError("local_crops need a local_view")
        return self


class MAESpec(Frozen):
    """Masked autoencoding of pixels (He et al. 2022)."""

    kind: Literal["mae"]
    augment: AugmentSpec
    mask_ratio: float = Field(0.75, gt=0, lt=1, description="Share of patches hidden from the encoder.")
    decoder_dim: int = Field(gt=0)
    decoder_depth: int = Field(gt=0)
    decoder_heads: int = Field(gt=0)
    normalize_targets: bool = Field(True, description="Normalise the pixels of each target patch.")


class WeightAverageSpec(Frozen):
    """A moving average of the weights, which is what is evaluated."""

    decay: EMA = Field(description="Weight of the old average at an update.")
    every: int = Field(1, ge=1, description="Steps between updates, counted anew in each epoch.")
    start: Probability = Field(0.0, description="Fraction of training until which weights are copied.")


class SupervisedSpec(Frozen):
    """Cross-entropy on labels; its own head is what is evaluated."""

    kind: Literal["supervised"]
    augment: AugmentSpec
    label_smoothing: Probability = 0.0
    mixup: float = Field(0.0, ge=0, description="Beta parameter of mixup; 0: off.")
    cutmix: float = Field(0.0, ge=0, description="Beta parameter of CutMix; with mixup: one of both a batch.")
    weight_average: WeightAverageSpec | None = None


class TextSpec(Frozen):
    """Cross-entropy on the labels of texts; its own linear head is what is evaluated."""

    kind: Literal["text"]


MethodSpec = Annotated[
    MoCoSpec | DINOSpec | MAESpec | SupervisedSpec | TextSpec | TwoViewMethodSpec | PretextMethodSpec,
    Field(discriminator="kind"),
]

ViewTexts = Callable[[Any], list[tuple[str, AugmentSpec | None]]]


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """What is to be known of a method beside its hyper-parameters; ``training/methods`` has its networks.

    Attributes:
        spec: of its hyper-parameters; its ``kind`` is the method's name.
        views: what training sees of a sample, given the hyper-parameters; ``{}`` in a text stands for the view.
        labels: whose labels it trains with. A method that trains with labels has a head, and takes no evaluation; one
            that trains with some draws its batches itself.
        backbone: the only kind that it takes; empty: several.
    """

    spec: type[Frozen]
    views: ViewTexts
    labels: Literal["none", "some", "all"] = "none"
    backbone: str = ""

    @property
    def name(self) -> str:
        (kind,) = self.spec.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]  # a Literal of one
        return str(kind)


def _two_views(method: TwoViewSpec) -> list[tuple[str, AugmentSpec | None]]:
    return [("crop: {}", view) for view in method.views]


def _dino_views(method: DINOSpec) -> list[tuple[str, AugmentSpec | None]]:
    views: list[tuple[str, AugmentSpec | None]] = [("global crop: {}", view) for view in method.global_views]
    return [*views, (f"{method.local_crops} local crops: {{}}", method.local_view)]


def _exemplar_views(method: ExemplarSpec) -> list[tuple[str, AugmentSpec | None]]:
    return [(f"{method.views} crops, turned by up to {method.rotation:g} degrees: {{}}", method.augment)]


def _one_view(text: str) -> ViewTexts:
    return lambda method: [(text, method.augment)]


METHODS: Registry[MethodEntry] = Registry(
    "method",
    (
        *(MethodEntry(spec=spec, views=_two_views) for spec in get_args(TwoViewMethodSpec)),
        MethodEntry(spec=MoCoSpec, views=_one_view("2 crops: {}")),
        MethodEntry(spec=DINOSpec, views=_dino_views),
        MethodEntry(spec=MAESpec, views=_one_view("1 crop: {}"), backbone="vit"),
        MethodEntry(spec=RotNetSpec, views=_one_view("1 crop in 4 rotations: {}")),
        MethodEntry(spec=ExemplarSpec, views=_exemplar_views),
        MethodEntry(spec=S4LSpec, views=_one_view("1 crop in 4 rotations: {}"), labels="some"),
        MethodEntry(spec=SupervisedSpec, views=_one_view("1 crop: {}"), labels="all"),
        MethodEntry(
            spec=TextSpec, views=lambda _: [("texts as they are", None)], labels="all", backbone="embedding_bag"
        ),
    ),
)
"""All methods."""


Features = Literal["pooled", "cls", "cls_last4", "cls_and_mean"]


class LinearSpec(Frozen):
    """A linear classifier on frozen features, of unaugmented images or of a new view at every step."""

    kind: Literal["linear"]
    features: Features = Field(
        description="pooled: average pool; cls: class token; cls_last4: of the last 4 blocks; + mean patch."
    )
    batch_norm: bool = Field(False, description="Normalise features by an affine-free batch norm (MAE).")
    augment: AugmentSpec | None = Field(
        None, description="Views to train on; None: features computed once, unaugmented."
    )
    train: TrainSpec


class FinetuneSpec(Frozen):
    """All weights trained on with labels, the mean patch token as feature (MAE, appendix A.1)."""

    kind: Literal["finetune"]
    augment: AugmentSpec
    label_smoothing: Probability = 0.0
    mixup: float = Field(0.0, ge=0, description="Beta parameter of mixup; 0: off.")
    cutmix: float = Field(0.0, ge=0, description="Beta parameter of CutMix; with mixup: one of both a batch.")
    drop_path: Probability = 0.0
    train_positions: bool = Field(False, description="Train the position embeddings too.")
    train: TrainSpec


EvaluationSpec = Annotated[LinearSpec | FinetuneSpec, Field(discriminator="kind")]
