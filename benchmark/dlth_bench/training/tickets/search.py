"""The search for a ticket: rounds of training, pruning and rewinding, resumable by level.

A mask that is in the folder is not made again: its file says how the levels before it went, so all that is lost by a
kill is what the level in progress did since its last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from dlth_bench.protocols.methods import METHODS
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.tickets import PruningSpec, SearchData, SearchSpec
from dlth_bench.runs.run import TRAINING_VERSION, Level
from dlth_bench.training.checkpoint import usable
from dlth_bench.training.data import UNLABELLED, Resident, visible_labels
from dlth_bench.training.evaluation import in_batches, top1
from dlth_bench.training.flops import FlopCounter, stage_flops
from dlth_bench.training.loop import History
from dlth_bench.training.methods.method import Method
from dlth_bench.training.methods.rotnet import ROTATIONS, RotNet
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.run_context import RunContext
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.critical_set import CriticalSet
from dlth_bench.training.tickets.limited_data import LimitedData, limited_data
from dlth_bench.training.tickets.masks import Mask, Masking, load_mask, natural_sparsity, save_mask
from dlth_bench.training.tickets.scores import Scorer
from dlth_bench.training.views.augment import Pixels

Weights = dict[str, Tensor]
"""A method's whole state: weights, and the buffers of its batch norms."""

NewMethod = Callable[[str], Method]
"""A method with new weights, which come from the named stream of the seed."""


@dataclass(frozen=True)
class Found:
    """A mask and what it took to find it.

    Attributes:
        levels: the trainings so far, one a mask before this one.
        scoring_flops, scoring_seconds: of all scorings so far.
        critical: what the next level trains on, in a search on critical samples; has a file of its own.
    """

    mask: Mask
    levels: tuple[Level, ...] = ()
    scoring_flops: float = 0.0
    scoring_seconds: float = 0.0
    critical: CriticalSet | None = None

    def header(self) -> dict[str, Any]:
        """The header of a mask's file, with the version of the training loop."""
        return {
            "training_version": TRAINING_VERSION,
            "levels": [level.model_dump() for level in self.levels],
            "scoring_flops": self.scoring_flops,
            "scoring_seconds": self.scoring_seconds,
        }

    @classmethod
    def from_header(cls, mask: Mask, header: dict[str, Any]) -> Found:
        levels = tuple(Level(**level) for level in header["levels"])
        return cls(mask, levels, header["scoring_flops"], header["scoring_seconds"])


@dataclass(frozen=True)
class LevelTrainer:
    """How the levels of one search, or the ticket of a run, are trained and measured; a search may have its own task.

    Attributes:
        dense: the stage of a whole dense training, which the others are parts of.
        train: trains a stage, or takes its weights from an earlier attempt.
        val_images, val_labels: what accuracies are measured on; -1: not on this one.
        folder: where masks and weights are kept; None keeps none.
    """

    dense: Stage
    new_method: NewMethod
    train: Callable[[Stage], History]
    pixels: Pixels
    val_images: StageSamples
    val_labels: Tensor
    folder: Path | None = None

    @cached_property
    def step_flops(self) -> float:
        """Operations of one update."""
        return stage_flops(self.dense, lambda: self.new_method("init")) / self.dense.updates

    def accuracy(self, method: Method) -> float | None:
        """Top-1 on the validation samples, of what the method classifies; None when it classifies nothing."""
        if isinstance(method, RotNet):
            return self._of_known(method, method.correct_turns).double().mean().item() / ROTATIONS
        return self.class_accuracy(method) if isinstance(method, Supervised) else None

    def class_accuracy(self, method: Supervised) -> float:
        """Top-1 on the validation samples."""
        return top1(self._of_known(method, method.logits), self.val_labels[self.val_labels >= 0])

    def _of_known(self, method: Method, function: Callable[[Tensor], Tensor]) -> Tensor:
        """What a function of the method says of the validation samples with a label."""
        method.eval()
        return in_batches(function, self.val_images, self.pixels)[self.val_labels >= 0]

    def level(self, name: str, weights: Weights, mask: Mask, start: int) -> tuple[Method, History]:
        """Train masked weights from an update on to the end of the schedule, with a fresh optimizer."""
        method = self.with_weights(weights)
        stage = replace(self.dense, name=name, method=method, start=start, masking=Masking(method, mask))
        return method, self.train(stage)

    def with_weights(self, weights: Weights) -> Method:
        """A method of its own with these weights and batch-norm statistics."""
        method = self.new_method("init")
        method.load_state_dict(weights)
        return method


def level_trainer(context: RunContext, data: Resident, folder: Path | None) -> LevelTrainer:
    """How parts of a run's first stage are trained, masked or not; the folder keeps their files, None keeps none."""
    train = partial(context.stages.train, folder=folder)
    validation = data.val_images, data.val_labels
    return LevelTrainer(context.first_stage(data), context.new_method, train, context.pixels, *validation, folder)


@dataclass
class Search:
    """The search of one run; ``find`` runs it to its end.

    Attributes:
        origin: the weights at the rewind point, which is ``rewind`` updates after the start.
    """

    spec: PruningSpec
    trainer: LevelTrainer
    scorer: Scorer
    origin: Weights
    rewind: int
    dense: Mask = field(init=False)

    def __post_init__(self) -> None:
        self.dense = Mask.dense(self.trainer.with_weights(self.origin), self.spec.depth)

    def find(self) -> Found:
        """The mask after all rounds, from the newest mask in the folder on."""
        found = self._load_newest()
        if self.spec.scored == "rewound":
            return found or self._prune_once()
        found = found or self._start()
        while len(found.levels) < self.spec.rounds:
            found = self._train_and_prune(found)
        return found

    def _start(self) -> Found:
        """Before the first round."""
        return Found(self.dense)

    def _train_and_prune(self, found: Found) -> Found:
        """Train with the mask, prune, and keep the new mask; the weights of the level are then deleted."""
        level = len(found.levels)
        name = level_name(level)
        method, history = self.trainer.level(name, self.origin, found.mask, self.rewind)
        facts = self._facts(found, method, history)
        following = self._prune(replace(found, levels=(*found.levels, facts)), method, level + 1)
        self._save(following, level + 1)
        self._discard(name)
        return following

    def _facts(self, found: Found, method: Method, history: History) -> Level:
        """Of the level that was trained with the newest mask."""
        return Level(
            density=found.mask.density,
            accuracy=self.trainer.accuracy(method),
            device_seconds=history.seconds,
            natural_sparsity=None if found.levels else natural_sparsity(method),
        )

    def _prune_once(self) -> Found:
        found = self._prune(Found(self.dense), self.trainer.with_weights(self.origin), self.spec.rounds)
        self._save(found, self.spec.rounds)
        return found

    def _prune(self, found: Found, method: Method, rounds: int) -> Found:
        """The mask after some rounds by the scores of ``method``."""
        count = self.spec.live_after(rounds, self.dense.weights)
        started = time.monotonic()
        with FlopCounter() as counter:
            mask = self.scorer.prune(method, found.mask, count, rounds)
        flops, seconds = counter.flops, time.monotonic() - started
        return replace(
            found,
            mask=mask,
            scoring_flops=found.scoring_flops + flops,
            scoring_seconds=found.scoring_seconds + seconds,
        )

    def _save(self, found: Found, rounds: int) -> None:
        if self.trainer.folder is not None:
            save_mask(mask_path(self.trainer.folder, rounds), found.mask, found.header())

    def _load_newest(self) -> Found | None:
        """The newest mask of an earlier attempt at this search."""
        if self.trainer.folder is None:
            return None
        attempts = (self._load(self.trainer.folder, rounds) for rounds in range(self.spec.rounds, 0, -1))
        return next((found for found in attempts if found is not None), None)

    def _load(self, folder: Path, rounds: int) -> Found | None:
        return load_found(folder, rounds)

    def _discard(self, stage: str) -> None:
        if self.trainer.folder is not None:
            for name in (stage, f"{stage}-checkpoint"):
                (self.trainer.folder / f"{name}.safetensors").unlink(missing_ok=True)


def mask_path(folder: Path, rounds: int) -> Path:
    """Where the mask after some rounds is kept."""
    return folder / f"mask-{rounds}.safetensors"


def load_found(folder: Path, rounds: int) -> Found | None:
    """The mask after some rounds as an earlier attempt left it; None if none did."""
    loaded = load_mask(mask_path(folder, rounds))
    return Found.from_header(*loaded) if loaded is not None and usable(loaded[1]) else None


def level_name(level: int) -> str:
    """The stage that trains with the mask after ``level`` rounds; its draws are those of that name."""
    return f"level-{level}"


def copy_weights(weights: Weights) -> Weights:
    """A copy that training does not change."""
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def train_to_rewind(trainer: LevelTrainer, rewind: int) -> tuple[Weights, History]:
    """The weights at the rewind point, and the dense training up to it."""
    method = trainer.new_method("init")
    if rewind == 0:
        return copy_weights(method.state_dict()), History()
    history = trainer.train(replace(trainer.dense, method=method, stop=rewind))
    return copy_weights(method.state_dict()), history


POLL_SECONDS = 1.0
"""How often a run that waits for another run's search looks for its result, in seconds."""


@contextmanager
def lock_search(folder: Path, found: Callable[[], bool], waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait until the folder holds what is searched for, or else lock it against searches by other processes.

    The lock is held until the block ends. The system takes it from a process that dies, so that another one resumes the
    search from its last checkpoint.

    Args:
        found: whether what is needed is in the folder.
        waiting: called every `POLL_SECONDS` while another process searches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    while not found():
        try:
            lock.acquire(timeout=POLL_SECONDS)
        except Timeout:
            waiting()
            continue
        try:
            for leftover in folder.glob(".*.tmp"):  # of a process killed while it wrote
                leftover.unlink(missing_ok=True)
            yield
        finally:
            lock.release()
        return
    yield


@dataclass(frozen=True, eq=False)
class SearchTask:
    """What a search trains, in place of its config.

    Attributes:
        config: the config with the method and the training of the search, without pruning.
        classes: how many its classifier has.
        data: what it sees of the run's samples.
        labels: int64, of all of the run's samples, -1 of those without; as ``data`` has them, less those hidden by
            semi-supervised training. On the CPU.
    """

    config: Config
    classes: int
    data: LimitedData
    labels: Tensor

    def trainer(self, ticket: LevelTrainer, new_method: NewMethod) -> LevelTrainer:
        """How its levels are trained, where ``ticket`` is how the ticket is; ``new_method`` is of its own config."""
        dense = replace(
            ticket.dense,
            method=new_method("init"),
            labels=self.labels.to(ticket.dense.labels.device),
            spec=self.config.train,
            only=self.data.positions,
        )
        val_labels = self.data.of_kept_classes(ticket.val_labels)
        return replace(ticket, dense=dense, new_method=new_method, val_labels=val_labels)

    def facts(self, class_ids: tuple[str, ...], *, images: int, flops: float) -> SearchData:
        """The fields of a result that describe it; the class IDs are the run's, images and flops those it trained."""
        kept = () if self.data.kept is None else tuple(class_ids[position] for position in self.data.kept.tolist())
        unused = METHODS[self.config.method.kind].labels == "none"
        return SearchData(
            samples=self.data.samples,
            classes=self.classes,
            class_ids=kept,
            labelled=0 if unused else int((self.labels != UNLABELLED).sum()),
            permuted=self.data.permuted,
            images=images,
            flops=flops,
            digest=self.data.digest(self.labels),
        )


def search_config(config: Config, spec: SearchSpec) -> Config:
    """The config with the method and the training of its search, without pruning.

    Raises:
        TypeError: its tickets are not trained with labels.
    """
    if config.method.kind != "supervised":
        raise TypeError("the ticket of a search with a spec of its own is trained with labels")
    changed = {"method": spec.method_for(config.method), "train": spec.train or config.train, "pruning": None}
    return config.model_copy(update=changed)


def search_task(config: Config, spec: SearchSpec, labels: Tensor, classes: int, seed: int) -> SearchTask:
    """The task of a run's search; ``labels`` int64 (samples,) and ``classes`` are the run's."""
    own = search_config(config, spec)
    data = limited_data(spec, labels.cpu(), classes, seed)
    return SearchTask(own, spec.classes(classes), data, visible_labels(own.method, data.labels, seed))
