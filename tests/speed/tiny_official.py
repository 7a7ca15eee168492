"""The configs of `against_official_way` with small networks and views, to try the script and to compare losses."""

from __future__ import annotations

from typing import Any

from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import AugmentSpec, ResNetSpec, ViTSpec

SIZES = ((64, 48), (48, 64), (40, 40))
"""Width and height of generated images."""

SIDE, LOCAL_SIDE, BATCH = 32, 16, 8


def tiny(config: Config) -> Config:
    """The config at 32 pixels in batches of 8, with all parts of its method."""
    vit = ViTSpec(kind="vit", patch_size=8, dim=16, depth=4, heads=2)
    backbone = vit if config.backbone.kind == "vit" else ResNetSpec(kind="resnet", widths=(8, 16), blocks=(1, 1))
    view = None if config.eval_view is None else config.eval_view.model_copy(update={"resize": 36, "crop": SIDE})
    train = config.train.model_copy(update={"batch_size": BATCH})
    method = config.method.model_copy(update=_small(config.method))
    return config.model_copy(update={"backbone": backbone, "method": method, "train": train, "eval_view": view})


def _small(method: Any) -> dict[str, Any]:
    match method.kind:
        case "moco":
            return {"augment": _at(method.augment, SIDE), "dim": 8, "queue": 4 * BATCH, "batch_norm_groups": None}
        case "dino":
            views = tuple(_at(view, SIDE) for view in method.global_views)
            heads = {"out_dim": 24, "hidden_dim": 16, "bottleneck_dim": 8}
            return heads | {"global_views": views, "local_view": _at(method.local_view, LOCAL_SIDE)}
    return {"augment": _at(method.augment, SIDE), "decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2}


def _at(augment: AugmentSpec, size: int) -> AugmentSpec:
    return augment.model_copy(update={"size": size})
