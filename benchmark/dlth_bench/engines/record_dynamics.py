"""Training one config with its dynamics recorded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import dlth_bench
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.engines.heartbeat import Report
from dlth_bench.protocols.methods import METHODS
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.runs.dynamics_file import Convention, DynamicsHeader
from dlth_bench.runs.plan import chosen_configs
from dlth_bench.runs.run import Result, Run
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError

if TYPE_CHECKING:
    from dlth_bench.training.dynamics import DynamicsRecorder
    from dlth_bench.training.loop import AfterStep
    from dlth_bench.training.stage import Stage


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run that was watched: what a file of dynamics holds, and the result, equal to that of an unwatched run.

    labels: int64 (samples,).
    tensors: by name, as ``spec.dynamics`` has them.
    """

    header: DynamicsHeader
    sample_ids: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    tensors: dict[str, npt.NDArray[Any]]
    result: Result


class NotRecorded(RuntimeError):
    """Training did not end well, so there are no dynamics of it."""


def recorded_stage(config: Config, convention: Convention) -> str:
    """The stage of a config that learns all weights from labels.

    Raises:
        InputError: there is none, or the convention does not fit it.
    """
    if config.pruning is not None:
        raise InputError(f"config {config.name} prunes, and trains many times: take one that does not")
    if METHODS[config.method.kind].labels == "all":
        stage, mixup = "pretrain", getattr(config.method, "mixup", 0.0)
    elif config.evaluation is not None and config.evaluation.kind == "finetune":
        stage, mixup = "finetune", config.evaluation.mixup
    else:
        raise InputError(f"config {config.name} trains its backbone without labels: there are no dynamics to record")
    if convention == "minibatch" and mixup:
        raise InputError(f"config {config.name} mixes samples, which leaves none with a label: take epoch-end")
    return stage


def recordable_configs(protocol: Protocol) -> list[str]:
    """The names of the configs with a stage that learns all weights from labels."""
    names = []
    for config in protocol.configs:
        with suppress(InputError):
            recorded_stage(config, "epoch-end")
            names.append(config.name)
    return names


def recording_run(protocol: Protocol, config: str, subset: Subset, seed: int, convention: Convention) -> Run:
    """The run to watch.

    Raises:
        InputError: no such config, one without labels, or the protocol was frozen with another dataset.
    """
    (chosen,) = chosen_configs(protocol, [config])
    try:
        recorded_stage(chosen, convention)
    except InputError as error:
        others = recordable_configs(protocol)
        raise InputError(
            f"{error.message}; {protocol.key} has {', '.join(others) or 'no config'} with labels"
        ) from None
    data = protocol.data
    if data.manifest_digest is not None and protocol_dataset(data).manifest_digest != data.manifest_digest:
        raise InputError(f"the installed dataset {data.dataset} is not the one {protocol.key} was frozen with")
    return Run.on(subset, data, chosen, seed)


def record_run(
    run: Run,
    *,
    protocol: str = "",
    convention: Convention = "epoch-end",
    device: str = "auto",
    report: Report = lambda stage, step, total: None,
) -> RecordedRun:
    """Train a run and record its stage that learns from labels.

    Args:
        protocol: the protocol's key, for the header.

    Raises:
        NotRecorded: the training diverged.
    """
    from dlth_bench.training.dynamics import DynamicsRecorder  # torch: slow to import
    from dlth_bench.training.run_context import run_pixels
    from dlth_bench.training.train_run import train_run

    watched = recorded_stage(run.config, convention)
    dataset = protocol_dataset(run.data)
    pixels = run_pixels(run, dataset)
    recorders: list[DynamicsRecorder] = []

    def watch(stage: Stage) -> AfterStep:
        if stage.name != watched:
            return lambda step: None
        recorders.append(DynamicsRecorder(stage, pixels, convention))
        return recorders[-1].after_step

    result = train_run(run, dataset, device=device, report=report, watch=watch)
    if result.status != "finished":
        raise NotRecorded(f"{run.label}: {result.reason}")
    arrays = dataset.load("train", run.class_ids, run.data.images_per_class)
    if run.sample_ids is not None:
        arrays = arrays.only(run.sample_ids)
    header = _header(run, dataset.manifest_digest, protocol, convention, watched)
    return RecordedRun(header, arrays.sample_ids, arrays.labels, recorders[0].tensors(), result)


def _header(run: Run, manifest_digest: str, protocol: str, convention: Convention, stage: str) -> DynamicsHeader:
    return DynamicsHeader(
        dataset=run.data.dataset,
        class_ids=run.class_ids,
        config=run.config.name,
        seed=run.seed,
        convention=convention,
        stage=stage,
        protocol=protocol,
        run=run.digest,
        manifest_digest=manifest_digest,
        package=dlth_bench.__version__,
    )
