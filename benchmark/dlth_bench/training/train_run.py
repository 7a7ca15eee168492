"""One run from start to result: its data, its trainings, what they took."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dlth_bench.datasets.dataset import Dataset, TextDataset
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.result import TRAINING_VERSION, Result
from dlth_bench.runs.run import Run, Tuning
from dlth_bench.runs.store import ENCODER_FILE, PRETRAINED_FILE
from dlth_bench.training.checkpoint import load_tensors, save_tensors
from dlth_bench.training.data import PhaseData, Resident, phase_data, visible_labels
from dlth_bench.training.environment import environment, reset_peak_memory
from dlth_bench.training.evaluation import Outcome, evaluated, measured, top1
from dlth_bench.training.flops import stage_flops
from dlth_bench.training.loop import Diverged, History, Watch, unwatched, usable
from dlth_bench.training.measurements.forgetting import without_removed
from dlth_bench.training.measurements.measure import records_of, with_measurements
from dlth_bench.training.measurements.subject import Subject
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.method import Method
from dlth_bench.training.parallel.processes import launched
from dlth_bench.training.random import global_stream
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.masks import Mask
from dlth_bench.training.tickets.search import LevelTrainer, kept
from dlth_bench.training.train_stage import Report, StageTrainer
from dlth_bench.training.train_ticket import ticket_outcome
from dlth_bench.training.views.augment import Pixels
from dlth_bench.util.errors import InputError

Shared = Callable[[], AbstractContextManager[Path | None]]
"""Holds a folder for as long as the pretraining is there to be had or trained; None: there is none."""


class Execution:
    """One run on one device.

    Args:
        folder: where checkpoints go; None keeps none. A kill loses at most ``checkpoint_seconds`` of work, or the
            hundredth of a stage after which one is next possible. Of several processes the first alone uses it.
        searches: the store's folder of searches for tickets, which runs share; None: this run's are in its own folder.
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
        searches: Path | None = None,
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
        self.searches = searches
        self.keep_encoder = keep_encoder
        self.report = report
        self.shared = shared
        self.device = device
        self.vocabulary = dataset.vocabulary_size if isinstance(dataset, TextDataset) else 0
        size = 0 if isinstance(dataset, TextDataset) else dataset.image_size
        self.pixels = Pixels(size, run.data.pixel_mean, run.data.pixel_std, run.config.eval_view)
        self.stages = StageTrainer(run.digest, self.fabric, checkpoint_seconds, report, watch, tuning)
        alone = "the search for a ticket takes" if run.config.pruning is not None else "measurements take"
        if tuning.devices > 1 and (run.config.pruning or run.config.measure or run.config.removal):
            raise InputError(f"config {run.config.name}: {alone} one device")

    def beside(self, config: Config, name: str) -> Execution:
        """The same data, seed and device with another config, as a part of this run that has a name of its own."""
        return Execution(
            self.run.model_copy(update={"config": config}),
            self.dataset,
            folder=None if self.folder is None or self.searches is not None else self.folder / name,
            searches=self.searches,
            device=self.device,
            tuning=self.tuning,
            checkpoint_seconds=self.stages.checkpoint_seconds,
            report=lambda stage, step, total: self.report(f"{name} {stage}", step, total),
        )

    def result(self) -> Result:
        """Train, evaluate, and say how it went; only a diverged loss is turned into a result, other errors rise."""
        reset_peak_memory(self.fabric.device)
        try:
            outcome, data = self._outcome_on(self._data())
            notes = (*outcome.pretrain.notes, *outcome.evaluation.notes)
            return Result(**self._identity, **measured(outcome, data, len(self.run.class_ids)), notes=notes)
        except Diverged as error:
            return Result(**self._identity, status="diverged", reason=str(error))

    def untrained_accuracy(self) -> float:
        """Top-1 of the config's evaluation on its backbone as initialised: the floor that pretraining must beat."""
        data = self._data().last(self.config)
        return top1(evaluated(self, self.fresh_method(), data).val_logits, data.val_labels)

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "run": self.run.digest,
            "config": self.config.name,
            "seed": self.run.seed,
            "manifest_digest": self.dataset.manifest_digest,
            "training_version": TRAINING_VERSION,
            "replaced": self.run.replaced,
            "environment": environment(self.fabric.device, self.tuning.devices),
        }

    def _data(self) -> PhaseData:
        return phase_data(self.dataset, self.run, self.fabric.device)

    def fresh_method(self, stream: str = "init") -> Method:
        """The config's method as the run's seed initialises it, on the device; other streams give other weights."""
        return self.new_method(self.config, len(self.run.class_ids), stream)

    def new_method(self, config: Config, classes: int, stream: str) -> Method:
        """The same of another config and number of classes."""
        with global_stream(self.run.seed, stream):
            method = build_method(config, pixels=self.pixels, classes=classes, vocabulary=self.vocabulary)
        return method.to(self.fabric.device)

    def pretrain_stage(self) -> Stage:
        """The first stage of the run, untrained."""
        return self._dense_stage(self._data().search)

    def _dense_stage(self, data: Resident) -> Stage:
        images, labels = data.train_images, visible_labels(self.config.method, data.train_labels, self.run.seed)
        return Stage("pretrain", self.fresh_method(), images, labels, self.config.train, self.run.seed)

    def level_trainer(self, data: Resident, folder: Path | None) -> LevelTrainer:
        """Trains parts of the first stage, masked or not.

        Args:
            folder: of their files; None keeps none.
        """
        dense, validation = self._dense_stage(data), (data.val_images, data.val_labels)
        training = partial(self.stages.train, folder=folder)
        return LevelTrainer(dense, self.fresh_method, training, self.pixels, *validation, folder)

    def _outcome_on(self, data: PhaseData) -> tuple[Outcome, Resident]:
        """The outcome, and the data that the evaluated network was trained on last."""
        if self.config.removal is None:
            return self._outcome(data), data.last(self.config)
        stage = self._dense_stage(data.search)
        left = without_removed(self.config.removal, stage, data.search, self.train)
        outcome = self._outcome(replace(data, search=left.data))
        flops = stage_flops(stage, self.fresh_method)
        return replace(
            outcome,
            images=outcome.images + left.images,
            flops=outcome.flops + flops,
            earlier_seconds=outcome.earlier_seconds + left.seconds,
        ), left.data

    def _outcome(self, data: PhaseData) -> Outcome:
        if self.config.pruning is not None:
            return ticket_outcome(self, self.config.pruning, data)
        stage, specs = self._dense_stage(data.search), self.config.measure
        splits = {
            "train": (data.search.train_images, data.search.train_labels),
            "val": (data.search.val_images, data.search.val_labels),
        }
        stage = replace(stage, observers=records_of(specs, stage, splits, self.pixels))
        history, reused = self._pretrained(stage)
        flops = stage_flops(stage, self.fresh_method)
        self.keep_encoder_of(stage.method)  # before fine-tuning changes it
        outcome = evaluated(self, stage.method, data.last(self.config))
        images = outcome.images + stage.steps * stage.spec.batch_size
        outcome = replace(outcome, pretrain=history, images=images, flops=outcome.flops + flops, reused_seconds=reused)
        if not specs:
            return outcome
        trainer, dense, probe = self.level_trainer(data.search, self.folder), self.fresh_method(), data.probe
        weights, mask = kept(dense.state_dict()), Mask.dense(dense)
        subject = Subject(trainer, weights, mask, 0, probe.train_images, probe.train_labels)
        return with_measurements(outcome, specs, subject, stage.observers)

    def _pretrained(self, stage: Stage) -> tuple[History, float]:
        """Pretrain, or take the weights of a run that began alike; also the seconds that this has saved."""
        with self.shared() as folder:
            loaded = None if folder is None else load_tensors(folder / PRETRAINED_FILE)
            history = self.stages.train(stage, folder or self.folder)
        others = loaded is not None and usable(loaded[1]) and loaded[1].get("run") != self.run.digest
        return history, history.seconds if others else 0.0

    def keep_encoder_of(self, method: Method) -> None:
        """Leave the encoder in the folder, where that is asked for."""
        if self.folder is not None and self.keep_encoder:
            save_tensors(self.folder / ENCODER_FILE, method.encoder.state_dict(), {"run": self.run.digest})

    def train(self, stage: Stage) -> History:
        """Train a stage of the run, from its checkpoint in the folder on, or take its weights from there."""
        return self.stages.train(stage, self.folder)
