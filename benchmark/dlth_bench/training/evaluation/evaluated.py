"""The evaluation of a run's network: a linear probe, fine-tuning, or the classifier that it was trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from dlth_bench.spec.method import FinetuneSpec, LinearSpec
from dlth_bench.training.evaluation.accuracy import in_batches
from dlth_bench.training.evaluation.finetune import finetune_method
from dlth_bench.training.evaluation.linear import LinearProbe, extract_features, linear_probe
from dlth_bench.training.flops import forward_flops, stage_flops
from dlth_bench.training.history import History
from dlth_bench.training.methods import Method
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.outcome import Outcome
from dlth_bench.training.resident import Resident
from dlth_bench.training.seeds import global_stream
from dlth_bench.training.stage import Stage

if TYPE_CHECKING:
    from dlth_bench.training.execute import Execution


def evaluated(execution: Execution, method: Method, data: Resident) -> Outcome:
    """What the config's evaluation makes of a trained method, and what it took; fine-tuning changes the method."""
    match execution.config.evaluation:
        case LinearSpec() as spec:
            return _linear(execution, spec, method, data)
        case FinetuneSpec() as spec:
            return _finetune(execution, spec, method, data)
        case None:
            return classified(execution, method, data)


def classified(execution: Execution, method: Method, data: Resident) -> Outcome:
    """What a trained classifier predicts of both splits; says nothing of what training took."""
    if isinstance(method, TextClassifier):
        train_logits, val_logits = method.logits(data.train_images), method.logits(data.val_images)
        return Outcome(train_logits, val_logits, History(), History(), images=0, flops=0.0)
    if not isinstance(method, Supervised):
        raise TypeError(f"config {execution.config.name} has no evaluation and no classifier")
    method.eval()
    return Outcome(
        in_batches(method.logits, data.train_images, execution.pixels),
        in_batches(method.logits, data.val_images, execution.pixels),
        *(History(), History()),
        images=0,
        flops=0.0,
    )


def _linear(execution: Execution, spec: LinearSpec, method: Method, data: Resident) -> Outcome:
    run, pixels = execution.run, execution.pixels
    train_features = extract_features(method.encoder, data.train_images, pixels, spec.features)
    val_features = extract_features(method.encoder, data.val_images, pixels, spec.features)
    classes, width = len(run.class_ids), train_features.shape[1]

    def fresh() -> LinearProbe:
        with global_stream(run.seed, "probe"):
            probe = linear_probe(spec, method.encoder, width, classes, pixels)
        return probe.to(execution.fabric.device)

    probe, samples = fresh(), train_features if spec.augment is None else data.train_images
    stage = Stage("linear", probe, samples, data.train_labels, spec.train, run.seed)
    history = execution.train(stage)
    probe.eval()
    extraction = forward_flops(
        lambda image: extract_features(method.encoder, image, pixels, spec.features),
        data.train_images[:1],
        len(data.train_labels),
    )
    with torch.no_grad():
        logits = probe.logits(train_features), probe.logits(val_features)
    images, flops = len(data.train_labels), extraction + stage_flops(stage, fresh)
    if spec.augment is not None:  # features of unaugmented images are then for the training accuracy alone
        images, flops = stage.steps * spec.train.batch_size, flops - extraction
    return Outcome(*logits, History(), history, images=images, flops=flops)


def _finetune(execution: Execution, spec: FinetuneSpec, method: Method, data: Resident) -> Outcome:
    run = execution.run

    def on(encoder: torch.nn.Module) -> Supervised:
        with global_stream(run.seed, "finetune"):
            tuned = finetune_method(spec, encoder, len(run.class_ids), execution.pixels)
        return tuned.to(execution.fabric.device)

    tuned = on(method.encoder)
    stage = Stage("finetune", tuned, data.train_images, data.train_labels, spec.train, run.seed)
    history = execution.train(stage)
    outcome = classified(execution, tuned, data)
    flops = stage_flops(stage, lambda: on(execution.fresh_method().encoder))
    return replace(outcome, evaluation=history, images=stage.steps * spec.train.batch_size, flops=flops)
