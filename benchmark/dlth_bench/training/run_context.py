"""What all parts of a run share: the run, its data, its device, its folder, and how its stages are trained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import torch
from lightning.fabric import Fabric

from dlth_bench.datasets.dataset import Dataset, TextDataset
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.run import Run, Tuning
from dlth_bench.runs.store import ENCODER_FILE
from dlth_bench.training.checkpoint import save_tensors
from dlth_bench.training.data import PhaseData, Resident, phase_data, visible_labels
from dlth_bench.training.environment import reset_peak_memory
from dlth_bench.training.loop import History, Watch, unwatched
from dlth_bench.training.methods import build_method
from dlth_bench.training.methods.method import Method
from dlth_bench.training.parallel.processes import launch
from dlth_bench.training.random import global_stream
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_stage import StageReport, StageTrainer
from dlth_bench.training.views.augment import Pixels
from dlth_bench.util.errors import InputError

SharedFolder = Callable[[], AbstractContextManager[Path | None]]
"""Opens the folder in which runs share one pretraining, and holds it while the block runs; None: there is none."""


@dataclass(frozen=True)
class RunContext:
    """A run with its data in place, ready to be trained; made by `prepare_run`.

    Attributes:
        data: the samples of each phase, on the device or in files.
        pixels: side and normalisation of the images.
        stages: trains stages, with their checkpoints.
        folder: where checkpoints and weights go; None keeps none. Of several processes only the first has one.
        searches: the folder of ticket searches that runs share; None: this run's search is in its own folder.
        keep_encoder: whether to leave the pretrained encoder in the folder, too.
        share_pretraining: where runs that begin alike leave their pretraining for each other.
    """

    run: Run
    dataset: Dataset
    data: PhaseData
    fabric: Fabric
    pixels: Pixels
    stages: StageTrainer
    folder: Path | None = None
    searches: Path | None = None
    keep_encoder: bool = False
    share_pretraining: SharedFolder = nullcontext

    @property
    def config(self) -> Config:
        return self.run.config

    @property
    def device(self) -> torch.device:
        return self.fabric.device

    @property
    def classes(self) -> int:
        """How many classes the run has."""
        return len(self.run.class_ids)

    def new_method(self, stream: str = "init") -> Method:
        """The config's method on the device, with weights drawn from the named stream of the run's seed."""
        return self.new_method_of(self.config, self.classes, stream)

    def new_method_of(self, config: Config, classes: int, stream: str) -> Method:
        """The same for another config and number of classes."""
        vocabulary = self.dataset.vocabulary_size if isinstance(self.dataset, TextDataset) else 0
        with global_stream(self.run.seed, stream):
            method = build_method(config, pixels=self.pixels, classes=classes, vocabulary=vocabulary)
        return method.to(self.device)

    def first_stage(self, data: Resident | None = None) -> Stage:
        """The first stage of the run, untrained, on the data of the phase ``search`` unless others are given."""
        data = data or self.data.search
        labels = visible_labels(self.config.method, data.train_labels, self.run.seed)
        return Stage("pretrain", self.new_method(), data.train_images, labels, self.config.train, self.run.seed)

    def train(self, stage: Stage) -> History:
        """Train a stage of the run, or take its weights from the folder; see `StageTrainer.train`."""
        return self.stages.train(stage, self.folder)

    def save_encoder(self, method: Method) -> None:
        """Write the encoder into the folder if that was asked for."""
        if self.folder is not None and self.keep_encoder:
            save_tensors(self.folder / ENCODER_FILE, method.encoder.state_dict(), {"run": self.run.digest})

    def with_config(self, config: Config, name: str) -> RunContext:
        """The same data, seed and device for another config, which is trained as a named part of this run.

        Its files are in a folder of that name, unless searches are shared.
        """
        run, report = self.run.model_copy(update={"config": config}), self.stages.report
        stages = replace(
            self.stages,
            run=run.digest,
            report=lambda stage, step, total: report(f"{name} {stage}", step, total),
            watch=unwatched,
        )
        folder = None if self.folder is None or self.searches is not None else self.folder / name
        return replace(self, run=run, stages=stages, folder=folder, keep_encoder=False, share_pretraining=nullcontext)


class RunOptions(TypedDict, total=False):
    """The keyword arguments of `prepare_run`, where their defaults are."""

    folder: Path | None
    searches: Path | None
    keep_encoder: bool
    device: str
    tuning: Tuning
    checkpoint_seconds: float
    report: StageReport
    watch: Watch
    share_pretraining: SharedFolder


def prepare_run(
    run: Run,
    dataset: Dataset,
    *,
    folder: Path | None = None,
    searches: Path | None = None,
    keep_encoder: bool = False,
    device: str = "auto",
    tuning: Tuning = Tuning(),
    checkpoint_seconds: float = 15.0,
    report: StageReport = lambda stage, step, total: None,
    watch: Watch = unwatched,
    share_pretraining: SharedFolder = nullcontext,
) -> RunContext:
    """Open the device, or start the processes that train together, and load the run's data.

    Peak memory is measured from here on. See `RunContext` for the other arguments.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        tuning: how steps are computed; with several devices each of their processes prepares the run.
        checkpoint_seconds: a kill loses at most so many seconds of work, or the hundredth of a stage after which a
            checkpoint is next possible.
        report: is called with (stage, step, of steps).
        watch: gives what is called after each step of a stage.

    Raises:
        InputError: the config cannot be trained on several devices, or the dataset lacks samples of the run.
    """
    fabric = launch(device, tuning.devices)
    alone = "the search for a ticket takes" if run.config.pruning is not None else "measurements take"
    if tuning.devices > 1 and (run.config.pruning or run.config.measure or run.config.removal):
        raise InputError(f"config {run.config.name}: {alone} one device")
    reset_peak_memory(fabric.device)
    return RunContext(
        run,
        dataset,
        phase_data(dataset, run, fabric.device),
        fabric,
        run_pixels(run, dataset),
        StageTrainer(run.digest, fabric, checkpoint_seconds, report, watch, tuning),
        folder=folder if fabric.global_rank == 0 else None,
        searches=searches,
        keep_encoder=keep_encoder,
        share_pretraining=share_pretraining,
    )


def run_pixels(run: Run, dataset: Dataset) -> Pixels:
    """Side and normalisation of the images of a run; the side is 0 for texts."""
    size = 0 if isinstance(dataset, TextDataset) else dataset.image_size
    return Pixels(size, run.data.pixel_mean, run.data.pixel_std, run.config.eval_view)
