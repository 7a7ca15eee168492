"""Supervised training with cross-entropy, from scratch or from a pretrained encoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.protocols.methods import WeightAverageSpec
from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.methods.method import Method, Moment, Views, frozen_copy
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Augment, Pixels
from dlth_bench.training.views.mixing import Mixing


def as_classifier(method: Method) -> Supervised:
    """The method, known to score classes.

    Raises:
        TypeError: it does not.
    """
    if not isinstance(method, Supervised):
        raise TypeError(f"{type(method).__name__} does not score classes")
    return method


class Supervised(Method):
    """An encoder and a linear head trained together."""

    independent_views = True

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        *,
        augment: AugmentSpec,
        pixels: Pixels,
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        weight_average: WeightAverageSpec | None = None,
    ) -> None:
        super().__init__()
        self.augment = Augment(augment, pixels)
        self.encoder = encoder
        self.head = head
        self.label_smoothing = label_smoothing
        self.mixing = Mixing(mixup, cutmix)
        self.mirrors = self.mixing.active
        self.weight_average = weight_average
        if weight_average is not None:
            self.average = frozen_copy(nn.Sequential(encoder, head))

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return (self.augment(images, generator),)

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        images, weight = self.mixing(views[0])
        logits = self.logits(images)
        own = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if weight == 1:
            return own
        other = F.cross_entropy(logits, labels.flip(0), label_smoothing=self.label_smoothing)
        return weight * own + (1 - weight) * other

    def logits(self, images: Tensor) -> Tensor:
        """Class scores (batch, classes) of normalised images (batch, channels, height, width).

        In evaluation mode they are those of the weights' moving average, if there is one.
        """
        averaged = self.weight_average is not None and not self.training
        scores: Tensor = self.average(images) if averaged else self.head(self.encoder(images))
        return scores

    def after_step(self, moment: Moment) -> None:
        spec = self.weight_average
        if spec is None or moment.step_in_epoch % spec.every:
            return
        # Until its start the average is a copy, so that it does not remember the first weights (torchvision).
        momentum = spec.decay if moment.step > round(spec.start * moment.total) else 0.0
        online = nn.Sequential(self.encoder, self.head).state_dict()
        for name, average in self.average.state_dict().items():
            if average.is_floating_point():
                average.lerp_(online[name], 1 - momentum)
            else:
                average.copy_(online[name])
