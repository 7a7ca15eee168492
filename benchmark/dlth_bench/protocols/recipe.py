"""The parts that training recipes are made of: backbone, augmentation, optimizer, duration."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.util.model import Frozen

Unit = Literal["epochs", "steps", "images"]


class ExactlyOne(Frozen):
    """A model of which exactly one field is given."""

    @model_validator(mode="after")
    def _one_given(self) -> Self:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        return self


class Duration(ExactlyOne):
    """A training length given in exactly one unit: ``{epochs: 20}``, ``{steps: 500}`` or ``{images: 64000}``."""

    epochs: float | None = Field(None, gt=0, description="Passes over the training samples.")
    steps: int | None = Field(None, gt=0, description="Optimizer updates.")
    images: int | None = Field(None, gt=0, description="Samples drawn, all views of one counted once.")

    @property
    def unit(self) -> Unit:
        if self.epochs is not None:
            return "epochs"
        return "steps" if self.steps is not None else "images"

    def in_steps(self, samples: int, batch_size: int) -> int:
        """Optimizer updates for a training set of ``samples``; an incomplete last batch of an epoch is dropped.

        Raises:
            ValueError: when one epoch has no full batch.
        """
        if samples < batch_size:
            raise ValueError(f"{samples} training samples do not fill one batch of {batch_size}")
        if self.steps is not None:
            return self.steps
        if self.images is not None:
            return max(1, round(self.images / batch_size))
        assert self.epochs is not None  # guaranteed by ExactlyOne; tells the type checker
        return max(1, round(self.epochs * (samples // batch_size)))


Probability = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(gt=0)]
EMA = Annotated[float, Field(ge=0, le=1, description="Weight of the old value in the moving average.")]
Range = tuple[float, float]
Sizes = tuple[Annotated[int, Field(gt=0)], ...]


class ResNetSpec(Frozen):
    """A ResNet of basic blocks for small images: a 3x3 stem and no max-pooling."""

    kind: Literal["resnet"]
    widths: Sizes = Field(min_length=1, max_length=4, description="Channels of each stage.")
    blocks: Sizes = Field(min_length=1, max_length=4, description="Blocks of each stage.")
    stem_stride: Literal[1, 2] = Field(2, description="Stride of the stem's convolution.")
    stem_padding: int = Field(1, ge=0, le=2, description="Zeros around the image; 1 keeps its size.")
    zero_init_residual: bool = Field(
        True, description="Blocks start as identities: the last norm of each has weight 0."
    )


class ViTSpec(Frozen):
    """A timm vision transformer with a class token."""

    kind: Literal["vit"]
    patch_size: int = Field(gt=0, description="Side of a patch in pixels.")
    dim: int = Field(gt=0, description="Width of the token embedding.")
    depth: int = Field(gt=0, description="Number of transformer blocks.")
    heads: int = Field(gt=0, description="Attention heads; must divide dim.")
    drop_path: Probability = Field(0.0, description="Stochastic depth rate of the last block.")
    class_token_std: float | None = Field(
        None, gt=0, description="Spread of the class token at the start; None: timm's 1e-6."
    )


class CNNSpec(Frozen):
    """A small network of a well-known family for small images, with that family's blocks and initialisation.

    The stem is one 3x3 convolution of stride 2 (ConvNeXt: patches of 2x2; VGG: none, its stages are of 3x3 convolutions
    with batch norms); each later stage halves the image.
    """

    kind: Literal["cnn"]
    family: Literal["resnet", "resnext", "regnety", "densenet", "mobilenetv3", "convnext", "vgg"]
    widths: Sizes = Field((), max_length=5, description="Channels of each stage; DenseNet's follow from its growth.")
    blocks: Sizes = Field(min_length=1, max_length=5, description="Blocks of each stage; VGG: convolutions.")
    group_width: int | None = Field(None, gt=0, description="ResNeXt and RegNetY: channels of a group.")
    growth: int | None = Field(None, gt=0, description="DenseNet: channels that a layer adds.")
    drop_path: Probability = Field(0.0, description="ConvNeXt: stochastic depth rate of the last block.")

    @model_validator(mode="after")
    def _fields_of_the_family(self) -> Self:
        needs = {"resnext": "group_width", "regnety": "group_width", "densenet": "growth"}.get(self.family)
        for name in ("group_width", "growth"):
            given = getattr(self, name) is not None
            if given != (name == needs):
                raise ValueError(f"{self.family} {'takes no' if given else 'needs a'} {name}")
        if self.drop_path and self.family != "convnext":
            raise ValueError(f"{self.family} takes no drop_path")
        stages = {"densenet": 0, "convnext": 4}.get(self.family, len(self.blocks))
        if len(self.widths) != stages:
            raise ValueError(f"{self.family} needs {stages} widths here, not {len(self.widths)}")
        return self


class LibrarySpec(Frozen):
    """A network of timm or torchvision by its name there, with that library's initialisation and untrained."""

    kind: Literal["timm", "torchvision"]
    name: str = Field(pattern=r"^[a-z0-9_]{1,64}$", description="As the library's list_models has it.")


class EmbeddingBagSpec(Frozen):
    """The mean of a text's token embeddings, one for each token of the dataset's vocabulary."""

    kind: Literal["embedding_bag"]
    dim: int = Field(gt=0, description="Width of the embeddings.")
    init_range: float = Field(
        0.5, gt=0, description="Embeddings and classifier start uniform between minus and plus this."
    )


class MLPSpec(Frozen):
    """A multi-layer perceptron on the pixels of a small image: linear layers, each with ReLU and dropout."""

    kind: Literal["mlp"]
    widths: Sizes = Field(min_length=1, max_length=8, description="Units of each hidden layer.")
    input_size: int | None = Field(
        None, gt=0, description="Side to which images are averaged first; None: as they are."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Chance of each unit's output to be 0 in training.")


Backbone = Annotated[
    ResNetSpec | ViTSpec | CNNSpec | LibrarySpec | EmbeddingBagSpec | MLPSpec, Field(discriminator="kind")
]

PolicyName = Literal["autoaugment", "randaugment", "trivialaugment"]


class EvalViewSpec(Frozen):
    """What evaluation sees of an image: its central square after the shorter side was resized."""

    resize: int = Field(gt=0, description="Length of the shorter side in pixels.")
    crop: int = Field(gt=0, description="Side of the central square in pixels.")
    interpolation: Literal["bilinear", "bicubic"] = Field("bilinear", description="Kernel of the resampling.")

    @model_validator(mode="after")
    def _crop_within(self) -> Self:
        if self.crop > self.resize:
            raise ValueError("the crop is larger than the resized image")
        return self


class AugmentSpec(Frozen):
    """Batched augmentation of one view; the order is crop, flip, blur, policy, jitter, greyscale, solarize, erase.

    Definition, version 1: a random resized crop with continuous box corners and antialiased resampling;
    Gaussian blur with edge renormalisation; jitter by factors drawn around 1, of grey images brightness then
    contrast, of colour images brightness, contrast, saturation and hue in an order drawn for each sample.
    """

    size: int | None = Field(None, gt=0, description="Side of the view in pixels; None: the image's own.")
    crop_scale: Range = Field(
        (1.0, 1.0),
        description="Area of the crop as a fraction of the image's.",
    )
    crop_ratio: Range = Field((0.75, 4 / 3), description="Width over height of the crop.")
    interpolation: Literal["bilinear", "bicubic"] = Field(
        "bilinear", description="Kernel of the resampling; bicubic as PIL's, a = -1/2."
    )
    flip: Probability = Field(0.0, description="Chance of a horizontal flip.")
    jitter: Probability = Field(0.0, description="Chance of jitter, of all its parts together.")
    brightness: float = Field(0.0, ge=0, le=1, description="Factor drawn from [1-x, 1+x].")
    contrast: float = Field(0.0, ge=0, le=1, description="Factor drawn from [1-x, 1+x].")
    saturation: float = Field(0.0, ge=0, le=1, description="Factor drawn from [1-x, 1+x].")
    hue: float = Field(0.0, ge=0, le=0.5, description="Shift drawn from [-x, x], in turns of the colour circle.")
    grayscale: Probability = Field(0.0, description="Chance of losing all colour.")
    blur: Probability = Field(0.0, description="Chance of a Gaussian blur.")
    blur_sigma: Range = Field(
        (0.1, 2.0),
        description="Standard deviation of the blur in pixels.",
    )
    solarize: Probability = Field(0.0, description="Chance of inverting pixels of at least 128.")
    policy: PolicyName | None = Field(
        None, description="Automatic augmentation: torchvision's, but randaugment is timm's rand-m9-mstd0.5-inc1."
    )
    erase: Probability = Field(0.0, description="Chance of erasing a rectangle of the normalised view.")
    erase_noise: bool = Field(False, description="Erase with normal noise in place of the mean colour.")


class OptimizerSpec(Frozen):
    """Optimizer and learning-rate schedule; the schedule is evaluated at every step."""

    kind: Literal["sgd", "adamw", "lars", "rmsprop"]
    lr: float = Field(gt=0, description="Peak learning rate, as applied: no batch-size scaling.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD, LARS and RMSprop.")
    nesterov: bool = Field(False, description="SGD with Nesterov's momentum.")
    alpha: float = Field(0.99, ge=0, lt=1, description="RMSprop: weight of the old mean square.")
    eps: float = Field(1e-8, gt=0, description="AdamW and RMSprop: added to the root of the mean square.")
    betas: tuple[float, float] = Field((0.9, 0.999), description="AdamW betas.")
    weight_decay: float = Field(0.0, ge=0)
    weight_decay_end: float | None = Field(None, ge=0, description="Cosine target; None: constant.")
    decay_norm_and_bias: bool = Field(False, description="Whether 1-D parameters decay too, and are scaled by LARS.")
    decay_all_but_norm: bool = Field(
        False, description="All but the parameters of norm layers decay (torchvision's norm_weight_decay 0)."
    )
    no_decay: tuple[str, ...] = Field((), description="Last parts of names of parameters that never decay.")
    schedule: Literal["cosine", "step", "exponential", "constant", "plateau"] = "cosine"
    milestones: tuple[float, ...] = Field((), description="Step schedule: fractions of training.")
    gamma: float = Field(0.1, gt=0, le=1, description="Step, exponential and plateau: factor at a drop.")
    stretches: int | None = Field(
        None, gt=0, description="Exponential: equal stretches of training, each lower by gamma."
    )
    per_epoch: bool = Field(False, description="The rate changes at the start of an epoch, not at every step.")
    min_lr: float = Field(0.0, ge=0, description="End of the cosine.")
    warmup: Probability = Field(0.0, description="Linear warm-up, as a fraction of training.")
    warmup_start: float = Field(0.0, ge=0, description="Learning rate at the first step of the warm-up.")
    clip_grad: float | None = Field(None, gt=0, description="Norm bound of each parameter's gradient.")
    clip_joint: float | None = Field(None, gt=0, description="Norm bound of all gradients taken together.")
    layer_decay: float | None = Field(None, gt=0, le=1, description="Factor a layer, from the head down.")
    trust_coefficient: float = Field(0.001, gt=0, description="LARS: factor of the trust ratio.")
    trust_clip: bool = Field(False, description="LARS: no step longer than SGD's (LARC clipping).")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if (self.schedule == "exponential") != (self.stretches is not None):
            raise ValueError("an exponential schedule, and only it, needs stretches")
        if self.clip_grad is not None and self.clip_joint is not None:
            raise ValueError("give clip_grad or clip_joint, not both")
        if self.nesterov and self.kind != "sgd":
            raise ValueError("nesterov is an option of sgd")
        if self.decay_norm_and_bias and self.decay_all_but_norm:
            raise ValueError("give decay_norm_and_bias or decay_all_but_norm, not both")
        return self


class TrainSpec(Frozen):
    """One stage of training.

    The schedule ``plateau`` keeps the rate until the accuracy on samples held out falls below the best so far after an
    epoch, and lowers it by ``gamma`` each time.
    """

    duration: Duration
    batch_size: int = Field(gt=1, description="Samples an update, over all devices.")
    optimizer: OptimizerSpec
    repeats: int = Field(1, ge=1, description="Views of an image in an epoch, which has as many fewer images.")
    precision: Literal["single", "bf16"] = Field(
        "single",
        description="bf16: matrix products and convolutions in bfloat16, weights and sums in single precision.",
    )
    held_out: float = Field(
        0.0, ge=0, lt=1, description="Share of the training samples that is not trained on, drawn by the seed."
    )

    def lengthened(self, factor: float) -> TrainSpec:
        """The stage with so many times the epochs, to a millionth of one."""
        epochs = self.duration.epochs
        if epochs is None:
            raise ValueError(f"a duration in {self.duration.unit} is not made longer")
        return self.model_copy(update={"duration": Duration(epochs=round(epochs * factor, 6))})

    def trained_samples(self, samples: int) -> int:
        """How many of ``samples`` are not held out."""
        return samples - round(self.held_out * samples)

    @model_validator(mode="after")
    def _plateau_seen(self) -> Self:
        if self.optimizer.schedule == "plateau" and not self.held_out:
            raise ValueError("a plateau schedule needs held_out samples")
        return self
