"""MAE: reconstruct the pixels of hidden patches from the visible ones.

He et al. 2022 (arXiv:2111.06377). Encoder, decoder, masks and patches are lightly's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightly.models.modules import MaskedVisionTransformerDecoderTIMM, MaskedVisionTransformerTIMM
from lightly.models.utils import get_at_index, normalize_mean_var, patchify, random_token_mask, set_at_index
from torch import Tensor, nn

from dlth_bench.protocols.methods import MAESpec
from dlth_bench.protocols.recipe import ViTSpec
from dlth_bench.training.methods.method import Method, Moment, Views
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Augment, Pixels


class MAE(Method):
    """Asymmetric masked autoencoder; the encoder sees only the kept patches."""

    independent_views = True

    def __init__(self, spec: MAESpec, backbone: nn.Module, vit: ViTSpec, pixels: Pixels) -> None:
        super().__init__()
        self.spec = spec
        self.augment = Augment(spec.augment, pixels)
        self.encoder = backbone
        self.patch_size = vit.patch_size
        # Re-initialises the backbone as MAE does, with fixed sin-cos positions.
        self.masked = MaskedVisionTransformerTIMM(backbone)
        self.embed = nn.Linear(vit.dim, spec.decoder_dim)
        self.decoder = MaskedVisionTransformerDecoderTIMM(
            num_patches=(pixels.input_size // vit.patch_size) ** 2,
            embed_dim=spec.decoder_dim,
            depth=spec.decoder_depth,
            num_heads=spec.decoder_heads,
        )
        self.predict = nn.Linear(spec.decoder_dim, vit.patch_size**2 * pixels.channels)
        for layer in (self.embed, self.predict):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return (self.augment(images, generator),)

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        (images,) = views
        tokens = self.masked.sequence_length
        kept, hidden = self._masks(len(images), images.device)
        visible = self.embed(self.masked.encode(images, idx_keep=kept))
        full = self.decoder.mask_token.repeat(len(images), tokens, 1)
        decoded = self.decoder(set_at_index(full, kept, visible.to(full.dtype)))
        predicted = self.predict(get_at_index(decoded, hidden))
        # Token 0 is the class token, which is never hidden: patch p is token p + 1.
        target = get_at_index(patchify(images, self.patch_size), hidden - 1)
        if self.spec.normalize_targets:
            target = normalize_mean_var(target)
        return F.mse_loss(predicted, target)

    def _masks(self, samples: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Places of the kept and of the hidden tokens of each sample, drawn for the whole batch."""
        batch = samples if self.part is None else self.part.total
        masks = random_token_mask((batch, self.masked.sequence_length), self.spec.mask_ratio, device=device)
        kept, hidden = masks if self.part is None else (self.part.of(mask) for mask in masks)
        return kept, hidden
