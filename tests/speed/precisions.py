"""A config in another precision, for measuring: no protocol has it."""

from __future__ import annotations

from typing import Literal

from dlth_bench.protocols.protocol import Config

Precision = Literal["single", "bf16"]


def in_precision(config: Config, precision: Precision) -> Config:
    """The config with both of its stages trained so; another run, with another digest."""
    train, evaluation = config.train.model_copy(update={"precision": precision}), config.evaluation
    if evaluation is not None:
        second = evaluation.train.model_copy(update={"precision": precision})
        evaluation = evaluation.model_copy(update={"train": second})
    return config.model_copy(update={"train": train, "evaluation": evaluation})
