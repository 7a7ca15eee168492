"""DINO: a student matches a momentum teacher's sharpened, centred output across crops.

Caron et al. 2021 (arXiv:2104.14294). Loss and centre are lightly's, which equal the original code.
"""

from __future__ import annotations

import torch
from lightly.loss import DINOLoss
from lightly.models.modules.center import center_momentum
from lightly.models.modules.heads import DINOProjectionHead
from lightly.utils.scheduler import cosine_schedule
from timm.layers.drop import DropPath
from torch import Tensor, nn

from dlth_bench.protocols.methods import DINOSpec
from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.methods.method import Method, Moment, MovingAverage, Views, frozen_copy
from dlth_bench.training.parallel.processes import sum_over_processes
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Augment, Pixels


class _Loss(DINOLoss):  # type: ignore[misc]  # lightly declares no type
    """The loss without its own update of the centre, which takes all samples of a step to be in one call."""

    def update_center(self, teacher_out: Tensor) -> None:
        """Does nothing; see `DINO.forward` and `DINO.after_step`."""


class DINO(Method):
    """Student and teacher with projection heads; the teacher is what is evaluated."""

    independent_views = True

    def __init__(self, spec: DINOSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__()
        self.spec = spec
        self.global_augments = [Augment(view, pixels) for view in spec.global_views]
        self.local_augment = Augment(spec.local_view or AugmentSpec(), pixels)
        self.student = backbone
        self.student_head = _head(spec, width)
        self.encoder = frozen_copy(self.student)
        # Rebuilt and loaded, since weight normalisation does not survive a deep copy.
        self.teacher_head = _head(spec, width).requires_grad_(False)
        self.teacher_head.load_state_dict(self.student_head.state_dict())
        # Stochastic depth is for the student alone.
        for module in self.encoder.modules():
            if isinstance(module, DropPath):
                module.drop_prob = 0.0
        self.average = MovingAverage([(self.encoder, self.student), (self.teacher_head, self.student_head)])
        self.loss = _Loss(
            output_dim=spec.out_dim, student_temp=spec.student_temperature, center_momentum=spec.center_momentum
        )
        self._teacher_sums: list[Tensor] = []
        # A state that is loaded is that between two steps.
        self.register_load_state_dict_post_hook(lambda dino, _: dino._teacher_sums.clear())  # type: ignore[no-untyped-call]

    def views(self, images: Images, generator: torch.Generator) -> Views:
        crops = [augment(images, generator) for augment in self.global_augments]
        if self.spec.local_crops:
            # All local crops are one batch: crop c of sample b is row c * batch + b.
            crops.append(self.local_augment(images.repeat(self.spec.local_crops, 1, 1, 1), generator))
        return tuple(crops)

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        batch = len(labels)
        large = torch.cat(views[:2])
        with torch.no_grad():
            teacher = self.teacher_head(self.encoder(large))
        features = [self.student(large), *(self.student(view) for view in views[2:])]
        student = self.student_head(torch.cat(features))
        loss: Tensor = self.loss(teacher.split(batch), student.split(batch), teacher_temp=self._temperature(moment))
        if self.part is None:
            self._move_center(teacher.view(len(views[:2]), batch, -1).mean((0, 1)))
        else:
            self._teacher_sums.append(teacher.sum(0))
        return loss

    @torch.no_grad()
    def _move_center(self, mean: Tensor) -> None:
        """The centre after a step whose teacher outputs of all global crops have the mean (out_dim,)."""
        self.loss.center = center_momentum(self.loss.center, mean[None, None], self.spec.center_momentum)

    def _temperature(self, moment: Moment) -> float:
        """The teacher's temperature: linear over the warm-up, then constant."""
        spec = self.spec
        start, end, warmup = spec.warmup_teacher_temperature, spec.teacher_temperature, spec.warmup_teacher
        return end if moment.fraction >= warmup else start + (end - start) * moment.fraction / warmup

    def before_step(self, moment: Moment) -> None:
        if moment.fraction < self.spec.freeze_last_layer:
            for parameter in self.student_head.last_layer.parameters():
                parameter.grad = None

    def after_step(self, moment: Moment) -> None:
        if self.part is not None:
            crops = len(self.global_augments) * self.part.total
            self._move_center(sum_over_processes(torch.stack(self._teacher_sums).sum(0)) / crops)
            self._teacher_sums.clear()
        momentum = cosine_schedule(moment.step, moment.total, self._first_momentum(moment.total), 1.0)
        self.average.update(momentum)

    def _first_momentum(self, steps: int) -> float:
        """The momentum whose average reaches back over the spec's horizon, for training of so many steps."""
        horizon = self.spec.teacher_horizon
        return self.spec.momentum if horizon is None else max(0.0, 1 - 1 / (horizon * steps))


def _head(spec: DINOSpec, width: int) -> DINOProjectionHead:
    return DINOProjectionHead(
        input_dim=width,
        hidden_dim=spec.hidden_dim,
        bottleneck_dim=spec.bottleneck_dim,
        output_dim=spec.out_dim,
        batch_norm=spec.head_batch_norm,
        norm_last_layer=spec.norm_last_layer,
    )
