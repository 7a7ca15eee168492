"""A smoke test of a protocol: every config trained for a few steps on a few samples, to see that it runs here at all.

Networks, losses, augmentation and image sizes are the protocol's; only durations, batches and queues shrink. What comes
out is no score and goes to no store.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dlth_bench.datasets.dataset import Dataset, DataSpec
from dlth_bench.datasets.download import CACHE_VARIABLE
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.engines.attempt import failed
from dlth_bench.engines.local import environment
from dlth_bench.protocols.measurements import FewShotSpec, MeasurementSpec, TicketProbeSpec, TransferSpec
from dlth_bench.protocols.methods import MethodSpec
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.recipe import Duration, TrainSpec
from dlth_bench.protocols.tickets import PruningSpec, RewindPoint, SearchSpec
from dlth_bench.runs.plan import chosen_configs
from dlth_bench.runs.run import Run, Tuning
from dlth_bench.subsets.find import find_subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen

STEPS = 2
"""Updates of each stage."""

BATCH = 4
"""Samples an update; batch norm on fewer can undo a network at its start."""

TRANSFORMER_BATCH = 2
"""The same of transformers whose samples are not mixed in pairs: the large networks, without batch norm."""

SAMPLES_PER_CLASS = 4
CLASSES = 3


class SmokeOutcome(Frozen):
    """How a config fared."""

    config: str
    ran: bool
    """Whether all its stages trained and were evaluated."""
    reason: str = ""
    """Why not."""
    seconds: float
    losses: tuple[float, ...] = ()
    """Of the first stage, a value a step: they are finite, and mean nothing else."""


def smoke_run(config: Config, data: DataSpec, class_ids: Sequence[str]) -> Run:
    """The run of a config that is as short as may be, on a few samples of some classes."""
    few = data.model_copy(update={"images_per_class": SAMPLES_PER_CLASS, "manifest_digest": None})
    return Run(data=few, config=shortened(config), class_ids=tuple(class_ids), seed=0)


def shortened(config: Config) -> Config:
    """The config with a few steps of a few samples in each stage; what is trained stays what it is."""
    evaluation = config.evaluation
    parts = (config.method, evaluation)
    mixed = any(getattr(part, name, 0) for part in parts for name in ("mixup", "cutmix"))  # in pairs, on each device
    batch = TRANSFORMER_BATCH if config.backbone.kind == "vit" and not mixed else BATCH
    if evaluation is not None:
        probed = BATCH if evaluation.kind == "linear" else batch
        evaluation = evaluation.model_copy(update={"train": _short(evaluation.train, probed)})
    pruning = None if config.pruning is None else _one_round(config.pruning)
    changed = {"method": _small_queue(config.method), "train": _short(config.train, batch), "evaluation": evaluation}
    measured = tuple(_short_measurement(spec) for spec in config.measure)
    return config.model_copy(update=changed | {"pruning": pruning, "measure": measured})


def smoke_test(
    protocol: Protocol,
    subset: str | None = None,
    *,
    configs: Sequence[str] | None = None,
    device: str = "auto",
    tuning: Tuning = Tuning(),
) -> Iterator[SmokeOutcome]:
    """Train the configs for a few steps each, in this process; with several devices each of their processes calls it.

    Args:
        subset: whose first classes are taken, of whatever size it is; None: the first classes at hand.
        configs: only these, by name; None: all.

    Raises:
        InputError: there is no such config or subset, or the data are not there.
    """
    from dlth_bench.training.environment import prepare_process  # torch: slow to import

    picked = chosen_configs(protocol, configs)
    prepare_process()
    with temporary_cache():
        dataset = protocol_dataset(protocol.data)
        wanted = None if subset is None else find_subset(subset, protocol.data.dataset).subset.class_ids
        classes = classes_at_hand(dataset, wanted)
        for config in picked:
            yield smoke(smoke_run(config, protocol.data, classes), dataset, device, tuning)


def smoke(run: Run, dataset: Dataset, device: str, tuning: Tuning) -> SmokeOutcome:
    """Train a short run; whatever goes wrong is its outcome."""
    from dlth_bench.training.train_run import train_run  # torch: slow to import

    started = time.monotonic()
    try:
        result = train_run(run, dataset, device=device, tuning=tuning)
    except InputError:
        raise  # about the data: no config would fare better
    except Exception as error:  # noqa: BLE001 - the other configs are to be tried all the same
        result = failed(run, f"{type(error).__name__}: {error}")
    return SmokeOutcome(
        config=run.config.name,
        ran=result.status == "finished",
        reason=result.reason,
        seconds=time.monotonic() - started,
        losses=result.curves.pretrain_loss,
    )


def classes_at_hand(dataset: Dataset, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """A few classes to smoke-test on: the first of ``wanted``, or of those that have training samples here.

    Raises:
        InputError: fewer than two have.
    """
    if wanted is None:
        catalog = dataset.samples(1)
        wanted = [catalog.class_ids[label] for label in sorted(set(catalog.labels))]
    if len(wanted) < 2:
        raise InputError(f"{len(wanted)} class of {dataset.name} is at hand; a smoke test needs two")
    return tuple(wanted[:CLASSES])


@contextmanager
def temporary_cache() -> Iterator[None]:
    """Inside the block, packed images go to a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dlth-bench-smoke-") as folder, environment({CACHE_VARIABLE: folder}):
        yield


def _short(train: TrainSpec, batch: int) -> TrainSpec:
    return train.model_copy(update={"duration": Duration(steps=STEPS), "batch_size": batch, "repeats": 1})


def _one_round(pruning: PruningSpec) -> PruningSpec:
    """One round as it is, from a rewind point inside the short training if there is one."""
    rewind = None if pruning.rewind is None else RewindPoint(steps=1)
    search = None if pruning.search is None else _short_search(pruning.search)
    return pruning.model_copy(update={"rounds": 1, "rewind": rewind, "search": search})


def _short_search(search: SearchSpec) -> SearchSpec:
    """A search as it is, on as large a part of the few samples as fills a batch."""
    parts = {name: 0.5 for name in ("share_of_samples", "share_of_classes") if getattr(search, name) is not None}
    return search.model_copy(update=parts | {"train": None if search.train is None else _short(search.train, BATCH)})


def _short_measurement(spec: MeasurementSpec) -> MeasurementSpec:
    """The measurement with as few trainings, places on a line and samples as it takes."""
    few: dict[str, Any] = {"points": 3, "parts": 2, "start": RewindPoint(steps=1)}
    changed = {name: value for name, value in few.items() if getattr(spec, name, None) is not None}
    if isinstance(spec, FewShotSpec | TicketProbeSpec | TransferSpec):
        changed["train"] = _short(spec.train, BATCH)
    if isinstance(spec, TransferSpec):
        changed["images_per_class"] = SAMPLES_PER_CLASS
    return spec.model_copy(update=changed)


def _small_queue(method: MethodSpec) -> MethodSpec:
    """Queues of two batches, and batch norm in two groups, where it has a queue or groups, to fit the small batch."""
    small = {"queue": 2 * BATCH, "batch_norm_groups": 2}
    return method.model_copy(update={name: value for name, value in small.items() if getattr(method, name, None)})
