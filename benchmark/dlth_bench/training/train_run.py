"""One run from start to result: pretraining or search, evaluation, measurements, and what they took.

`train_run` is the whole of it. The files it passes through, in this order: `run_context` (data and device),
`train_stage` and `loop` (a stage), `train_ticket` (configs that prune), `evaluation`, `measurements`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

from dlth_bench.datasets.dataset import Dataset
from dlth_bench.runs.run import TRAINING_VERSION, Result, Run
from dlth_bench.runs.store import PRETRAINED_FILE
from dlth_bench.training.checkpoint import load_tensors, usable
from dlth_bench.training.data import Resident
from dlth_bench.training.environment import environment
from dlth_bench.training.evaluation import RunOutcome, evaluate, result_fields, top1
from dlth_bench.training.flops import stage_flops
from dlth_bench.training.loop import Diverged, History
from dlth_bench.training.measurements.forgetting import remove_samples
from dlth_bench.training.measurements.measure import add_measurements, make_records
from dlth_bench.training.measurements.subject import Subject
from dlth_bench.training.run_context import RunContext, RunOptions, prepare_run
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.masks import Mask
from dlth_bench.training.tickets.search import copy_weights, level_trainer
from dlth_bench.training.train_ticket import train_ticket


def train_run(run: Run, dataset: Dataset, **options: Unpack[RunOptions]) -> Result:
    """Train and evaluate a run; it goes on from what an earlier attempt left in the folder.

    A loss that diverged is a result, too; other errors are raised. See `prepare_run` for the options.

    Raises:
        InputError: the config cannot be trained on several devices, or the dataset lacks samples of the run.
        OutOfMemory: no way to compute a step fits.
    """
    return train_prepared(prepare_run(run, dataset, **options))


def train_prepared(context: RunContext) -> Result:
    """As `train_run`, of a run that is prepared already."""
    try:
        outcome, data = _train_without_removed(context)
        notes = (*outcome.pretrain.notes, *outcome.evaluation.notes)
        return Result(**_identity(context), **result_fields(outcome, data, context.classes), notes=notes)
    except Diverged as error:
        return Result(**_identity(context), status="diverged", reason=str(error))


def evaluate_untrained(run: Run, dataset: Dataset, *, device: str = "auto") -> float:
    """Top-1 of the config's evaluation on its backbone as initialised: the floor that pretraining must beat."""
    context = prepare_run(run, dataset, device=device)
    data = context.data.last(context.config)
    return top1(evaluate(context, context.new_method(), data).val_logits, data.val_labels)


def _identity(context: RunContext) -> dict[str, Any]:
    """The fields of a result that say what was trained, and where."""
    return {
        "run": context.run.digest,
        "config": context.config.name,
        "seed": context.run.seed,
        "manifest_digest": context.dataset.manifest_digest,
        "training_version": TRAINING_VERSION,
        "replaced": context.run.replaced,
        "environment": environment(context.device, context.stages.tuning.devices),
    }


def _train_without_removed(context: RunContext) -> tuple[RunOutcome, Resident]:
    """The outcome, and the data that the evaluated network was trained on last; configs may remove samples first."""
    spec = context.config.removal
    if spec is None:
        return _train_and_evaluate(context), context.data.last(context.config)
    stage = context.first_stage()
    left = remove_samples(spec, stage, context.data.search, context.train)
    outcome = _train_and_evaluate(replace(context, data=replace(context.data, search=left.data)))
    return replace(
        outcome,
        images=outcome.images + left.images,
        flops=outcome.flops + stage_flops(stage, context.new_method),
        earlier_seconds=outcome.earlier_seconds + left.seconds,
    ), left.data


def _train_and_evaluate(context: RunContext) -> RunOutcome:
    if context.config.pruning is not None:
        return train_ticket(context, context.config.pruning)
    data, specs, stage = context.data, context.config.measure, context.first_stage()
    splits = {
        "train": (data.search.train_images, data.search.train_labels),
        "val": (data.search.val_images, data.search.val_labels),
    }
    stage = replace(stage, observers=make_records(specs, stage, splits, context.pixels))
    history, reused = _pretrain(context, stage)
    flops = stage_flops(stage, context.new_method)
    context.save_encoder(stage.method)  # before fine-tuning changes it
    outcome = evaluate(context, stage.method, data.last(context.config))
    images = outcome.images + stage.steps * stage.spec.batch_size
    outcome = replace(outcome, pretrain=history, images=images, flops=outcome.flops + flops, reused_seconds=reused)
    if not specs:
        return outcome
    trainer, dense, probe = level_trainer(context, data.search, context.folder), context.new_method(), data.probe
    weights, mask = copy_weights(dense.state_dict()), Mask.dense(dense)
    subject = Subject(trainer, weights, mask, 0, probe.train_images, probe.train_labels)
    return add_measurements(outcome, specs, subject, stage.observers)


def _pretrain(context: RunContext, stage: Stage) -> tuple[History, float]:
    """Pretrain, or take the weights of a run that began alike; also the seconds that this has saved."""
    with context.share_pretraining() as folder:
        loaded = None if folder is None else load_tensors(folder / PRETRAINED_FILE)
        history = context.stages.train(stage, folder or context.folder)
    others = loaded is not None and usable(loaded[1]) and loaded[1].get("run") != context.run.digest
    return history, history.seconds if others else 0.0
