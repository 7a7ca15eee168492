"""Networks and losses of MoCo, DINO and MAE as their official repositories compute them; see `official_way`.

Backbones are ours. Each network takes a list of views and the moment of training, and gives the loss.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import groupby, pairwise

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from dlth_bench.protocols.methods import DINOSpec, MAESpec, MoCoSpec
from dlth_bench.protocols.recipe import Backbone, ViTSpec
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.views.augment import Pixels


class MoCo(nn.Module):
    """Query and key encoders and a queue whose columns are keys (moco/builder.py).

    On one GPU its batch norm sees the whole batch, in which shuffled keys are the same as others.
    """

    queue: Tensor
    queue_start: Tensor

    def __init__(self, spec: MoCoSpec, backbone: Backbone, pixels: Pixels) -> None:
        super().__init__()
        self.spec = spec
        self.query, self.key = (_projected(spec, backbone, pixels) for _ in range(2))
        self.key.load_state_dict(self.query.state_dict())
        self.key.requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(spec.dim, spec.queue), dim=0))
        self.register_buffer("queue_start", torch.zeros(1, dtype=torch.long))

    def forward(self, views: list[Tensor], moment: Moment) -> Tensor:
        queries = F.normalize(self.query(views[0]), dim=1)
        with torch.no_grad():
            momentum = self.spec.momentum
            for key, query in zip(self.key.parameters(), self.query.parameters(), strict=True):
                key.data = key.data * momentum + query.data * (1.0 - momentum)
            order = torch.randperm(len(views[1]), device=views[1].device)
            keys = F.normalize(self.key(views[1][order]), dim=1)[torch.argsort(order)]
        positive = torch.einsum("nc,nc->n", [queries, keys]).unsqueeze(-1)
        negative = torch.einsum("nc,ck->nk", [queries, self.queue.clone().detach()])
        logits = torch.cat([positive, negative], dim=1) / self.spec.temperature
        labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        self._enqueue(keys)
        loss = F.cross_entropy(logits, labels)
        self.accuracies = _top_shares(logits, labels, (1, 5))
        return loss

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        start, size = int(self.queue_start), self.spec.queue
        self.queue[:, start : start + len(keys)] = keys.T
        self.queue_start[0] = (start + len(keys)) % size


def _projected(spec: MoCoSpec, backbone: Backbone, pixels: Pixels) -> nn.Module:
    network = build_backbone(backbone, pixels.input_size, pixels.channels)
    width = int(network.num_features)  # type: ignore[arg-type]  # timm declares no type
    hidden = spec.hidden_dim or width
    layers = [nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, spec.dim)]
    return nn.Sequential(network, *(layers if spec.mlp else [nn.Linear(width, spec.dim)]))


@torch.no_grad()
def _top_shares(logits: Tensor, labels: Tensor, tops: tuple[int, ...]) -> list[float]:
    """Shares of right answers among the first so many, which the log shows after every step."""
    best = logits.topk(max(tops), dim=1).indices == labels[:, None]
    return [float(best[:, :top].float().sum() / len(labels)) for top in tops]


class DINO(nn.Module):
    """Student and teacher, each a backbone that sees crops of one size at once, and its head (main_dino.py)."""

    center: Tensor

    def __init__(self, spec: DINOSpec, backbone: Backbone, pixels: Pixels) -> None:
        super().__init__()
        self.spec = spec
        still = backbone.model_copy(update={"drop_path": 0.0}) if isinstance(backbone, ViTSpec) else backbone
        self.student = build_backbone(backbone, pixels.input_size, pixels.channels)
        self.teacher = build_backbone(still, pixels.input_size, pixels.channels).requires_grad_(False)
        width = int(self.student.num_features)  # type: ignore[arg-type]
        self.student_head, self.teacher_head = (_DINOHead(spec, width) for _ in range(2))
        self.teacher_head.requires_grad_(False)
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher_head.load_state_dict(self.student_head.state_dict())
        self.register_buffer("center", torch.zeros(1, spec.out_dim))

    def forward(self, views: list[Tensor], moment: Moment) -> Tensor:
        with torch.no_grad():
            teacher = self.teacher_head(_by_size(self.teacher, views[:2]))
        student = self.student_head(_by_size(self.student, views)) / self.spec.student_temperature
        targets = F.softmax((teacher - self.center) / self._temperature(moment), dim=-1).detach().chunk(2)
        total, terms = torch.zeros((), device=teacher.device), 0
        for number, target in enumerate(targets):
            for crop, logits in enumerate(student.chunk(len(views))):
                if crop != number:
                    total = total + torch.sum(-target * F.log_softmax(logits, dim=-1), dim=-1).mean()
                    terms += 1
        with torch.no_grad():
            momentum = self.spec.center_momentum
            mean = torch.sum(teacher, dim=0, keepdim=True) / len(teacher)
            self.center = self.center * momentum + mean * (1 - momentum)
        return total / terms

    def _temperature(self, moment: Moment) -> float:
        spec = self.spec
        done = min(1.0, moment.fraction / spec.warmup_teacher) if spec.warmup_teacher else 1.0
        return spec.warmup_teacher_temperature * (1 - done) + spec.teacher_temperature * done

    def freeze_last_layer(self, moment: Moment) -> None:
        """Drop the gradients of the prototypes in the first part of training."""
        if moment.fraction < self.spec.freeze_last_layer:
            for parameter in self.student_head.last_layer.parameters():
                parameter.grad = None

    @torch.no_grad()
    def move_teacher(self, moment: Moment) -> None:
        """Towards the student, parameter by parameter; the momentum rises to 1 along a cosine."""
        momentum = 1 - (1 - self.spec.momentum) * (math.cos(math.pi * moment.fraction) + 1) / 2
        for teacher, student in ((self.teacher, self.student), (self.teacher_head, self.student_head)):
            for average, current in zip(teacher.parameters(), student.parameters(), strict=True):
                average.data.mul_(momentum).add_((1 - momentum) * current.detach().data)


class _DINOHead(nn.Module):
    def __init__(self, spec: DINOSpec, width: int) -> None:
        super().__init__()
        sizes = (width, spec.hidden_dim, spec.hidden_dim, spec.bottleneck_dim)
        first, second, third = (nn.Linear(*pair) for pair in pairwise(sizes))
        self.mlp = nn.Sequential(first, nn.GELU(), second, nn.GELU(), third)
        self.last_layer = nn.utils.weight_norm(nn.Linear(spec.bottleneck_dim, spec.out_dim, bias=False))
        self.last_layer.weight_g.data.fill_(1)
        self.last_layer.weight_g.requires_grad = not spec.norm_last_layer

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.last_layer(F.normalize(self.mlp(features), dim=-1))
        return logits


def _by_size(backbone: nn.Module, crops: list[Tensor]) -> Tensor:
    """Features of all crops, those of equal size in one pass."""
    grouped = (torch.cat(list(equal)) for _, equal in groupby(crops, key=lambda crop: crop.shape[-1]))
    return torch.cat([backbone(batch) for batch in grouped])


class MAE(nn.Module):
    """Encoder of the visible patches and decoder of all (models_mae.py)."""

    def __init__(self, spec: MAESpec, backbone: Backbone, pixels: Pixels) -> None:
        super().__init__()
        if not isinstance(backbone, ViTSpec):
            raise ValueError("MAE needs a vision transformer")
        self.spec, self.patch = spec, backbone.patch_size
        self.encoder = build_backbone(backbone, pixels.input_size, pixels.channels)
        self.encoder.pos_embed.requires_grad_(False)  # type: ignore[operator,union-attr]
        patches, dim = (pixels.input_size // self.patch) ** 2, spec.decoder_dim
        self.embed = nn.Linear(backbone.dim, dim)
        self.mask_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, patches + 1, dim) * 0.02, requires_grad=False)
        norm = partial(nn.LayerNorm, eps=1e-6)
        blocks = (Block(dim, spec.decoder_heads, qkv_bias=True, norm_layer=norm) for _ in range(spec.decoder_depth))
        self.blocks, self.norm = nn.Sequential(*blocks), norm(dim)
        self.predict = nn.Linear(dim, self.patch**2 * pixels.channels)

    def forward(self, views: list[Tensor], moment: Moment, noise: Tensor | None = None) -> Tensor:
        """``noise`` (batch, patches): patches of the least are visible; None draws it."""
        (images,) = views
        vit = self.encoder
        tokens = vit.patch_embed(images).flatten(1, 2) + vit.pos_embed[:, 1:]  # type: ignore[operator,index]
        batch, patches, width = tokens.shape
        noise = torch.rand(batch, patches, device=images.device) if noise is None else noise
        shuffle = torch.argsort(noise, dim=1)
        restore = torch.argsort(shuffle, dim=1)
        kept = int(patches * (1 - self.spec.mask_ratio))
        visible = torch.gather(tokens, 1, shuffle[:, :kept, None].repeat(1, 1, width))
        first = vit.cls_token + vit.pos_embed[:, :1]  # type: ignore[operator,index]
        latent = vit.norm(vit.blocks(torch.cat([first.expand(batch, -1, -1), visible], dim=1)))  # type: ignore[operator]
        predicted = self._decoded(latent, restore)
        hidden = torch.ones(batch, patches, device=images.device)
        hidden[:, :kept] = 0
        hidden = torch.gather(hidden, 1, restore)
        each = ((predicted - self._target(images)) ** 2).mean(dim=-1)
        return (each * hidden).sum() / hidden.sum()

    def _decoded(self, latent: Tensor, restore: Tensor) -> Tensor:
        embedded = self.embed(latent)
        batch, kept, width = embedded.shape
        masked = self.mask_token.repeat(batch, restore.shape[1] + 1 - kept, 1)
        patches = torch.cat([embedded[:, 1:], masked.to(embedded.dtype)], dim=1)
        patches = torch.gather(patches, 1, restore[:, :, None].repeat(1, 1, width))
        decoded = self.norm(self.blocks(torch.cat([embedded[:, :1], patches], dim=1) + self.positions))
        prediction: Tensor = self.predict(decoded)[:, 1:]
        return prediction

    def _target(self, images: Tensor) -> Tensor:
        """Pixels (batch, patches, patch * patch * channels), of each patch normalised."""
        batch, channels, side, _ = images.shape
        grid = side // self.patch
        cut = images.reshape(batch, channels, grid, self.patch, grid, self.patch)
        target = torch.einsum("nchpwq->nhwpqc", cut).reshape(batch, grid * grid, -1)
        if not self.spec.normalize_targets:
            return target
        return (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
