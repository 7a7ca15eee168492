"""ImageNet's protocols: what their configs differ in, and what they say about themselves changes no run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import EvalViewSpec, OptimizerSpec


def test_sensitivity_changes_one_number_at_a_time() -> None:
    """Its default cells are the configs of imagenet-ssl; the others differ in batch and rate, or in drop path."""
    ssl, sensitivity = find_protocol("imagenet-ssl"), find_protocol("imagenet-sensitivity")
    assert sensitivity.reference is None
    pairs = {"mae_batch-4096": "mae_vit-b16_800ep_linear", "dino_drop-path-0.1": "dino_vit-s16_800ep"}
    for ours, theirs in pairs.items():
        assert sensitivity.config(ours).recipe_digest == ssl.config(theirs).recipe_digest
    for batch in (2048, 1024):
        config, default = sensitivity.config(f"mae_batch-{batch}"), sensitivity.config("mae_batch-4096")
        rate = default.train.optimizer.lr * batch / 4096
        optimizer = default.train.optimizer.model_copy(update={"lr": pytest.approx(rate)})
        assert config.train == default.train.model_copy(update={"batch_size": batch, "optimizer": optimizer})
        assert (config.backbone, config.method, config.evaluation) == (
            default.backbone,
            default.method,
            default.evaluation,
        )


def test_notes_change_no_run() -> None:
    """What a config says of itself can be put better without training it again."""
    config = find_protocol("imagenet-ssl").configs[0]
    assert config.notes
    assert config.model_copy(update={"notes": ()}).recipe_digest == config.recipe_digest
    seen = config.model_copy(update={"eval_view": None})
    assert seen.recipe_digest != config.recipe_digest


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schedule": "exponential"}, "needs stretches"),
        ({"stretches": 3}, "needs stretches"),
        ({"kind": "adamw", "nesterov": True}, "nesterov is an option of sgd"),
        ({"decay_norm_and_bias": True, "decay_all_but_norm": True}, "not both"),
    ],
)
def test_optimizers_that_contradict_themselves_are_refused(values: dict[str, Any], message: str) -> None:
    """A key without effect, or two that exclude each other, is a mistake in the file."""
    with pytest.raises(ValidationError, match=message):
        OptimizerSpec.model_validate({"kind": "sgd", "lr": 0.1} | values)


def test_crop_larger_than_the_image_is_refused() -> None:
    """It would show black borders."""
    with pytest.raises(ValidationError, match="larger than the resized image"):
        EvalViewSpec(resize=224, crop=256)
