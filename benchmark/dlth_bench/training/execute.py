"""One run from start to result: data, pretraining, evaluation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dlth_bench.datasets.base import Dataset, TextDataset
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.method import FinetuneSpec, LinearSpec
from dlth_bench.spec.protocol import Config
from dlth_bench.spec.pruning import PruningSpec
from dlth_bench.spec.result import TRAINING_VERSION, Result
from dlth_bench.spec.run import Run
from dlth_bench.spec.stored_run import ENCODER_FILE, PRETRAINED_FILE
from dlth_bench.spec.tuning import Tuning
from dlth_bench.training.augment import Pixels
from dlth_bench.training.checkpoint import load_tensors, save_tensors
from dlth_bench.training.environment import environment, reset_peak_memory
from dlth_bench.training.evaluation.accuracy import in_batches, top1
from dlth_bench.training.evaluation.finetune import finetune_method
from dlth_bench.training.evaluation.linear import LinearProbe, extract_features, linear_probe
from dlth_bench.training.exchange import of_first
from dlth_bench.training.fitting import train_fitting
from dlth_bench.training.flops import forward_flops, stage_flops
from dlth_bench.training.history import History, usable
from dlth_bench.training.labelled_part import visible_labels
from dlth_bench.training.launch import launched
from dlth_bench.training.loop import Checkpoints, Diverged, Watch, unwatched
from dlth_bench.training.methods import Method, build_method
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.outcome import Outcome, measured
from dlth_bench.training.pruning.search import LevelTrainer
from dlth_bench.training.pruning.search_task import search_task
from dlth_bench.training.pruning.ticket import trained_ticket
from dlth_bench.training.resident import Resident, resident
from dlth_bench.training.seeds import global_stream
from dlth_bench.training.stage import Stage

Report = Callable[[str, int, int], None]
"""Hears (stage, step, of steps)."""

Shared = Callable[[], AbstractContextManager[Path | None]]
"""Holds a folder for as long as the pretraining is there to be had or trained; None: there is none."""


class Execution:
    """One run on one device.

    Args:
        folder: where checkpoints go; None keeps none. A kill loses at most ``checkpoint_seconds`` of work, or the
            hundredth of a stage after which one is next possible. Of several processes the first alone uses it.
        keep_encoder: whether to leave the pretrained encoder in the folder, too.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        shared: where runs that begin alike leave their pretraining for each other.
        tuning: how steps are computed; with several devices each of their processes executes the run.

    Raises:
        InputError: the config cannot be trained on several devices.
    """

    def __init__(
        self,
        run: Run,
        dataset: Dataset,
        *,
        folder: Path | None = None,
        keep_encoder: bool = False,
        device: str = "auto",
        tuning: Tuning = Tuning(),
        checkpoint_seconds: float = 15.0,
        report: Report = lambda stage, step, total: None,
        watch: Watch = unwatched,
        shared: Shared = nullcontext,
    ) -> None:
        self.run = run
        self.config = run.config
        self.dataset = dataset
        self.tuning = tuning
        self.fabric = launched(device, tuning.devices)
        self.folder = folder if self.fabric.global_rank == 0 else None
        self.keep_encoder = keep_encoder
        self.report = report
        self.watch = watch
        self.shared = shared
        self.checkpoint_seconds = checkpoint_seconds
        self.vocabulary = dataset.vocabulary_size if isinstance(dataset, TextDataset) else 0
        size = 0 if isinstance(dataset, TextDataset) else dataset.image_size
        self.pixels = Pixels(size, run.data.pixel_mean, run.data.pixel_std, run.config.eval_view)
        if run.config.pruning is not None and tuning.devices > 1:
            raise InputError(f"config {run.config.name}: the search for a ticket takes one device")

    def result(self) -> Result:
        """Train, evaluate, and say how it went; only a diverged loss is turned into a result, other errors rise."""
        reset_peak_memory(self.fabric.device)
        try:
            data = self._data()
            outcome = self._outcome(data)
            notes = (*outcome.pretrain.notes, *outcome.evaluation.notes)
            return Result(**self._identity, **measured(outcome, data, len(self.run.class_ids)), notes=notes)
        except Diverged as error:
            return Result(**self._identity, status="diverged", reason=str(error))

    def untrained_accuracy(self) -> float:
        """Top-1 of the config's evaluation on its backbone as initialised: the floor that pretraining must beat."""
        data = self._data()
        return top1(self._evaluated(self.fresh_method(), data).val_logits, data.val_labels)

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "run": self.run.digest,
            "config": self.config.name,
            "seed": self.run.seed,
            "manifest_digest": self.dataset.manifest_digest,
            "training_version": TRAINING_VERSION,
            "environment": environment(self.fabric.device, self.tuning.devices),
        }

    def _data(self) -> Resident:
        return resident(self.dataset, self.run, self.fabric.device)

    def fresh_method(self, stream: str = "init") -> Method:
        """The config's method as the run's seed initialises it, on the device; other streams give other weights."""
        return self._new_method(self.config, len(self.run.class_ids), stream)

    def _new_method(self, config: Config, classes: int, stream: str) -> Method:
        with global_stream(self.run.seed, stream):
            method = build_method(config, pixels=self.pixels, classes=classes, vocabulary=self.vocabulary)
        return method.to(self.fabric.device)

    def pretrain_stage(self) -> Stage:
        """The first stage of the run, untrained."""
        return self._pretrain_stage(self._data())

    def _pretrain_stage(self, data: Resident) -> Stage:
        images, labels = data.train_images, visible_labels(self.config.method, data.train_labels, self.run.seed)
        return Stage("pretrain", self.fresh_method(), images, labels, self.config.train, self.run.seed)

    def _outcome(self, data: Resident) -> Outcome:
        if self.config.pruning is not None:
            return self._ticket(self.config.pruning, data)
        stage = self._pretrain_stage(data)
        history, reused = self._pretrained(stage)
        flops = stage_flops(stage, self.fresh_method)
        self._keep_encoder(stage.method)  # before fine-tuning changes it
        outcome = self._evaluated(stage.method, data)
        images = outcome.images + stage.steps * stage.spec.batch_size
        flops += outcome.flops
        return replace(outcome, pretrain=history, images=images, flops=flops, reused_seconds=reused)

    def _pretrained(self, stage: Stage) -> tuple[History, float]:
        """Pretrain, or take the weights of a run that began alike; also the seconds that this has saved."""
        with self.shared() as folder:
            loaded = None if folder is None else load_tensors(folder / PRETRAINED_FILE)
            history = self._train(stage, folder)
        others = loaded is not None and usable(loaded[1]) and loaded[1].get("run") != self.run.digest
        return history, history.seconds if others else 0.0

    def _keep_encoder(self, method: Method) -> None:
        if self.folder is not None and self.keep_encoder:
            save_tensors(self.folder / ENCODER_FILE, method.encoder.state_dict(), {"run": self.run.digest})

    def _ticket(self, spec: PruningSpec, data: Resident) -> Outcome:
        dense, validation = self._pretrain_stage(data), (data.val_images, data.val_labels)
        trainer = LevelTrainer(dense, self.fresh_method, self._train, self.pixels, *validation, self.folder)
        task, searcher = None, trainer
        if spec.search is not None:
            task = search_task(self.config, spec.search, data.train_labels, len(self.run.class_ids), self.run.seed)
            searcher = task.trainer(trainer, partial(self._new_method, task.config, task.classes))
        ticket = trained_ticket(spec, trainer, searcher)
        self._keep_encoder(ticket.method)
        a_step = stage_flops(dense, self.fresh_method) / dense.updates
        facts, updates = ticket.facts, ticket.search_updates
        images, flops = updates * dense.spec.batch_size, updates * a_step
        if task is not None:
            own = task.facts(searcher, updates, self.run.class_ids)
            facts, images, flops = facts.model_copy(update={"search_data": own}), own.images, own.flops
        return replace(
            self._supervised(ticket.method, data),
            pretrain=ticket.history,
            images=images + ticket.updates * dense.spec.batch_size,
            flops=flops + ticket.updates * a_step + facts.scoring_flops,
            earlier_seconds=ticket.earlier_seconds,
            ticket=facts,
        )

    def _evaluated(self, method: Method, data: Resident) -> Outcome:
        match self.config.evaluation:
            case LinearSpec() as spec:
                return self._linear(spec, method, data)
            case FinetuneSpec() as spec:
                return self._finetune(spec, method, data)
            case None:
                return self._supervised(method, data)

    def _train(self, stage: Stage, folder: Path | None = None) -> History:
        """Train a stage, or take its finished weights from its folder: the given one, else the run's."""
        folder = folder or self.folder
        finished = None if folder is None else folder / f"{stage.name}.safetensors"
        loaded = of_first(lambda: None if finished is None else load_tensors(finished))
        if loaded is not None and usable(loaded[1]):
            stage.method.load_state_dict(loaded[0])
            return History.from_header(loaded[1])
        checkpoints = Checkpoints(
            None if folder is None else folder / f"{stage.name}-checkpoint.safetensors",
            self.checkpoint_seconds,
            partial(self.report, stage.name),
        )
        history = train_fitting(replace(stage, tuning=self.tuning), self.fabric, checkpoints, self.watch)
        if finished is not None:
            save_tensors(finished, stage.method.state_dict(), history.header() | {"run": self.run.digest})
        return history

    def _supervised(self, method: Method, data: Resident) -> Outcome:
        if isinstance(method, TextClassifier):
            train_logits, val_logits = method.logits(data.train_images), method.logits(data.val_images)
            return Outcome(train_logits, val_logits, History(), History(), images=0, flops=0.0)
        if not isinstance(method, Supervised):
            raise TypeError(f"config {self.config.name} has no evaluation and no classifier")
        method.eval()
        return Outcome(
            in_batches(method.logits, data.train_images, self.pixels),
            in_batches(method.logits, data.val_images, self.pixels),
            *(History(), History()),
            images=0,
            flops=0.0,
        )

    def _linear(self, spec: LinearSpec, method: Method, data: Resident) -> Outcome:
        train_features = extract_features(method.encoder, data.train_images, self.pixels, spec.features)
        val_features = extract_features(method.encoder, data.val_images, self.pixels, spec.features)
        classes, width = len(self.run.class_ids), train_features.shape[1]

        def fresh() -> LinearProbe:
            with global_stream(self.run.seed, "probe"):
                probe = linear_probe(spec, method.encoder, width, classes, self.pixels)
            return probe.to(self.fabric.device)

        probe, samples = fresh(), train_features if spec.augment is None else data.train_images
        stage = Stage("linear", probe, samples, data.train_labels, spec.train, self.run.seed)
        history = self._train(stage)
        probe.eval()
        extraction = forward_flops(
            lambda image: extract_features(method.encoder, image, self.pixels, spec.features),
            data.train_images[:1],
            len(data.train_labels),
        )
        with torch.no_grad():
            logits = probe.logits(train_features), probe.logits(val_features)
        images, flops = len(data.train_labels), extraction + stage_flops(stage, fresh)
        if spec.augment is not None:  # features of unaugmented images are then for the training accuracy alone
            images, flops = stage.steps * spec.train.batch_size, flops - extraction
        return Outcome(*logits, History(), history, images=images, flops=flops)

    def _finetune(self, spec: FinetuneSpec, method: Method, data: Resident) -> Outcome:
        def on(encoder: torch.nn.Module) -> Supervised:
            with global_stream(self.run.seed, "finetune"):
                tuned = finetune_method(spec, encoder, len(self.run.class_ids), self.pixels)
            return tuned.to(self.fabric.device)

        tuned = on(method.encoder)
        stage = Stage("finetune", tuned, data.train_images, data.train_labels, spec.train, self.run.seed)
        history = self._train(stage)
        outcome = self._supervised(tuned, data)
        flops = stage_flops(stage, lambda: on(self.fresh_method().encoder))
        return replace(outcome, evaluation=history, images=stage.steps * spec.train.batch_size, flops=flops)
